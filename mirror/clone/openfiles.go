package clone

import (
	"container/list"
	"io"
	"os"
	"sync"
)

// maxOpenPacks bounds how many packs of all clones are open. A clone has up to fifty, and
// a daemon a thousand clones.
const maxOpenPacks = 128

// openPacks are the packs that were read last.
var openPacks = openFiles{limit: maxOpenPacks}

// openFiles closes files that were not read for long, to open others.
type openFiles struct {
	limit int
	mu    sync.Mutex
	order list.List // of *lazyFile that are open, read last first
}

// lazyFile is a file that is open while it is read, and for as long after it as there is
// room; it is safe for concurrent use.
type lazyFile struct {
	pool  *openFiles
	dir   *os.Root
	name  string
	file  *os.File      // nil: not open
	at    *list.Element // in pool.order
	users int           // reads under way
	ended bool
}

var _ io.ReaderAt = (*lazyFile)(nil)

func (l *lazyFile) ReadAt(b []byte, offset int64) (int, error) {
	file, err := l.take()
	if err != nil {
		return 0, err
	}
	defer l.give()
	return file.ReadAt(b, offset)
}

// take opens the file, and keeps it open until give.
func (l *lazyFile) take() (*os.File, error) {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.ended {
		return nil, os.ErrClosed
	}
	if l.file == nil {
		file, err := l.dir.Open(l.name)
		if err != nil {
			return nil, err
		}
		l.file, l.at = file, p.order.PushFront(l)
	}
	p.order.MoveToFront(l.at)
	l.users++
	for e := p.order.Back(); e != nil && p.order.Len() > p.limit; {
		last := e.Value.(*lazyFile)
		if e = e.Prev(); last.users == 0 {
			last.shut()
		}
	}
	return l.file, nil
}

func (l *lazyFile) give() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.users--; l.users == 0 && l.ended {
		l.shut()
	}
}

// shut is called with the pool's mutex held.
func (l *lazyFile) shut() {
	if l.file != nil {
		l.file.Close()
		l.pool.order.Remove(l.at)
		l.file, l.at = nil, nil
	}
}

// close ends the file; reads under way come to their end.
func (l *lazyFile) close() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.ended = true; l.users == 0 {
		l.shut()
	}
}
