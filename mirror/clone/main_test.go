package clone_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/confmirror/confmirror/mirror/clone"
)

func TestMain(m *testing.M) {
	clone.SkipSync()
	goleak.VerifyTestMain(m)
}
