package configs_test

import (
	"testing"
	"time"

	"github.com/confmirror/confmirror/configs"
)

func TestPatience(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 10, 0, time.UTC)
	for poll, want := range map[string]time.Duration{
		"@every 1m":  15 * time.Minute,
		"@every 10m": 50 * time.Minute,
		"0 * * * *":  5*time.Hour - 10*time.Second,
		"nonsense":   15 * time.Minute,
	} {
		s := configs.Sync{Poll: poll}
		if got := s.Patience(now); got != want {
			t.Errorf("%s: %s, want %s", poll, got, want)
		}
	}
}
