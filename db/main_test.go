package db

import (
	"testing"

	"github.com/confmirror/confmirror/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
