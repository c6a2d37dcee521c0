package configs

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watching is how files are watched.
type Watching struct {
	// Files to watch, absolute; asked for again after each call of Changed.
	Files func() []string
	// Changed is called from one goroutine when the files may be others than before: once
	// they have been still for Settle, and each Interval anyway, for what the kernel does
	// not tell (network file systems, a file that nobody knew of).
	Changed          func(asked bool)
	Settle, Interval time.Duration
	// Asked has Changed called at once, and told so.
	Asked  <-chan os.Signal
	Logger *slog.Logger
}

// Watch watches files until ctx ends. The directories are watched, of the file and of each
// link that leads to it: editors replace files, and a mounted secret is a link to a link
// that is swapped.
func Watch(ctx context.Context, w Watching) {
	var events chan fsnotify.Event
	var failures chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		events, failures = watcher.Events, watcher.Errors
	} else {
		w.Logger.Warn("changed files are noticed later: they cannot be watched", "interval", w.Interval, "error", err)
	}
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	still := time.NewTimer(0)
	still.Stop()
	var trail []string
	follow := func() {
		trail = trails(w.Files())
		if watcher != nil {
			watchParents(watcher, trail)
		}
	}
	for follow(); ; {
		asked := false
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
			} else if slices.Contains(trail, e.Name) {
				still.Reset(w.Settle)
			}
			continue
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			w.Logger.Warn("some changes of files may have gone unnoticed", "error", err)
		case <-w.Asked:
			asked = true
		case <-still.C:
		case <-tick.C:
		}
		w.Changed(asked)
		follow()
	}
}

// watchParents has the watcher watch the directories of the paths, and nothing else.
func watchParents(watcher *fsnotify.Watcher, paths []string) {
	var wanted []string
	for _, p := range paths {
		wanted = append(wanted, filepath.Dir(p))
	}
	for _, dir := range watcher.WatchList() {
		if !slices.Contains(wanted, dir) {
			_ = watcher.Remove(dir) // it may be gone
		}
	}
	for _, dir := range wanted {
		_ = watcher.Add(dir) // one that cannot be watched is looked at each interval
	}
}

// maxLinks bounds the links that lead to a file: they may lead in a circle.
const maxLinks = 40

// trails are the paths on the way to files whose change may change what is found there: each
// link, and what stands at its end. Where something is missing, that is the end.
func trails(files []string) (list []string) {
	for _, file := range files {
		at, rest := "/", strings.Split(file, "/")
		for links := 0; len(rest) > 0; {
			next := filepath.Join(at, rest[0])
			rest = rest[1:]
			info, err := os.Lstat(next)
			if err != nil {
				at = next
				break
			}
			if info.Mode()&os.ModeSymlink == 0 {
				at = next
				continue
			}
			list = append(list, next)
			target, err := os.Readlink(next)
			if links++; err != nil || links > maxLinks {
				break
			}
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
		list = append(list, at)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
