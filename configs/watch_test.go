package configs_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/confmirror/confmirror/configs"
)

// watched watches files of a directory, for as long as the test runs; each call comes out of
// the channel.
func watched(t *testing.T, interval time.Duration, asked <-chan os.Signal, files ...string) <-chan bool {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	calls, begun, done := make(chan bool), make(chan struct{}, 1000), make(chan struct{})
	go func() {
		defer close(done)
		configs.Watch(ctx, configs.Watching{
			Files: func() []string { begun <- struct{}{}; return files },
			Changed: func(asked bool) {
				select {
				case calls <- asked:
				case <-ctx.Done():
				}
			},
			Settle: 20 * time.Millisecond, Interval: interval, Asked: asked, Logger: slog.New(slog.DiscardHandler),
		})
	}()
	t.Cleanup(func() { stop(); <-done })
	<-begun // the directories are watched a moment later; change waits for it by trying again
	return calls
}

// change makes changes, over and over, until one is told of.
func change(t *testing.T, calls <-chan bool, how func(i int)) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := range 100 {
		how(i)
		select {
		case asked := <-calls:
			if asked {
				t.Error("nobody asked")
			}
			return
		case <-tick.C:
		}
	}
	t.Fatal("nobody tells of it")
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

// Each way in which files are changed is noticed.
func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, dir string)
		change  func(t *testing.T, dir, i string)
	}{
		"written in place": {
			func(t *testing.T, dir string) { put(t, dir+"/file", "") },
			func(t *testing.T, dir, i string) { put(t, dir+"/file", i) },
		},
		"replaced, as editors do": {
			func(t *testing.T, dir string) { put(t, dir+"/file", "") },
			func(t *testing.T, dir, i string) {
				put(t, dir+"/.file.swp", i)
				if err := os.Rename(dir+"/.file.swp", dir+"/file"); err != nil {
					t.Fatal(err)
				}
			},
		},
		"a mounted secret, whose directory is swapped": {
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/..2026")
				put(t, dir+"/..2026/file", "")
				link(t, "..2026", dir+"/..data")
				link(t, "..data/file", dir+"/file")
			},
			func(t *testing.T, dir, i string) {
				mkdir(t, dir+"/.."+i)
				put(t, dir+"/.."+i+"/file", i)
				link(t, ".."+i, dir+"/..new")
				if err := os.Rename(dir+"/..new", dir+"/..data"); err != nil {
					t.Fatal(err)
				}
			},
		},
		"behind a link to elsewhere": {
			func(t *testing.T, dir string) {
				mkdir(t, dir+"/elsewhere")
				put(t, dir+"/elsewhere/real", "")
				link(t, dir+"/elsewhere/real", dir+"/file")
			},
			func(t *testing.T, dir, i string) { put(t, dir+"/elsewhere/real", i) },
		},
		"one that was not there": {
			func(*testing.T, string) {},
			func(t *testing.T, dir, i string) { put(t, dir+"/file", i) },
		},
		"one whose directory was not there": {
			func(t *testing.T, dir string) { link(t, "later", dir+"/file") },
			func(t *testing.T, dir, i string) {
				mkdir(t, dir+"/later")
				os.Remove(dir + "/later")
			},
		},
		"deleted": {
			func(t *testing.T, dir string) { put(t, dir+"/file", "") },
			func(t *testing.T, dir, i string) {
				put(t, dir+"/file", i)
				if err := os.Remove(dir + "/file"); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			test.prepare(t, dir)
			calls := watched(t, time.Hour, nil, dir+"/file")
			change(t, calls, func(i int) { test.change(t, dir, string(rune('a'+i%26))+string(rune('a'+i/26))) })
		})
	}
}

// What the kernel does not tell of is looked at each interval, and whenever somebody asks.
func TestWatchLooksByItself(t *testing.T) {
	asked := make(chan os.Signal, 1)
	calls := watched(t, 10*time.Millisecond, nil, "/")
	if <-calls {
		t.Error("nobody asked")
	}
	calls = watched(t, time.Hour, asked, "/")
	asked <- os.Interrupt
	if !<-calls {
		t.Error("it is not told that somebody asked")
	}
}

// Links in a circle end somewhere, and other files of a directory do not matter.
func TestWatchMindsItsOwnFiles(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link(t, "b", dir+"/a")
	link(t, "a", dir+"/b")
	put(t, dir+"/file", "")
	calls := watched(t, time.Hour, nil, dir+"/a", dir+"/file")
	change(t, calls, func(i int) { put(t, dir+"/file", "x") })
	drained := time.After(200 * time.Millisecond)
	for quiet := false; !quiet; {
		select {
		case <-calls: // of the writes before
		case <-drained:
			quiet = true
		}
	}
	still := time.After(200 * time.Millisecond)
	for i := 0; ; i++ {
		put(t, dir+"/other", string(rune('a'+i%26)))
		select {
		case <-calls:
			t.Fatal("another file's change is told")
		case <-still:
			return
		}
	}
}
