package configs_test

import (
	"testing"
	"time"

	"github.com/confmirror/confmirror/configs"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]configs.Size{"0": 0, "1048576": 1 << 20, "1MiB": 1 << 20, " 2 KiB ": 2048, "1GiB": 1 << 30, "5kB": 5000, "5KB": 5000, "3MB": 3e6, "7B": 7} {
		if got, err := configs.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "1.5MiB", "1M", "9223372036854775807KiB", "1 MiB MiB", "0x10"} {
		if got, err := configs.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		}
	}
	for size, want := range map[configs.Size]string{0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 1536: "1536B", 1 << 20: "1MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %s, want %s", size, got, want)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	for expr, want := range map[string]time.Time{
		"@every 1m":                            start.Add(time.Minute),
		"@every 1h30m":                         start.Add(90 * time.Minute),
		"0 3 * * *":                            time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC),
		"CRON_TZ=America/New_York 30 8 * *  *": time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC),
		"TZ=Asia/Tokyo @daily":                 time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC),
		"0 0 29 feb ?":                         time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		s, err := configs.ParseSchedule(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
		} else if got := s.Next(start); !got.Equal(want) {
			t.Errorf("%q: next is %v, want %v", expr, got, want)
		}
	}
	for _, expr := range []string{"", "TZ=0", "CRON_TZ=", "TZ=Mars/Olympus @daily", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", ", * * * *",
		"@every", "@every x", "@every -1m", "@every 0s", "@every 500ms", "@every 1500ms", "@reboot", "@EVERY 1m"} {
		if _, err := configs.ParseSchedule(expr); err == nil {
			t.Errorf("%q is taken", expr)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, expr := range []string{"TZ=0", "@every 1m", "0 3 * * *", "CRON_TZ=Europe/Berlin */5 1-3 1,15 jan ?", "TZ= ", "1/9223372036854775807 * * * *", ", * * * *"} {
		f.Add(expr, int64(1795000000))
	}
	f.Fuzz(func(t *testing.T, expr string, unix int64) {
		s, err := configs.ParseSchedule(expr)
		if err != nil {
			return
		}
		now := time.Unix(unix%4e9, 0)
		if next := s.Next(now); !next.After(now) && !next.IsZero() {
			t.Errorf("%q: after %v comes %v", expr, now, next)
		}
	})
}
