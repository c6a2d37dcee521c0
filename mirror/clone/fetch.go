package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// maxHaves bounds how many of our commits a fetch names. The server stops at
// the first it knows; after a force-push that is an older one.
const maxHaves = 64

// Fetch brings head with its history into the clone.
func (c *Clone) Fetch(ctx context.Context, head mirror.Hash) error {
	return c.FetchBranch(ctx, c.o.Branch, head)
}

// FetchBranch brings head, of any branch of the remote, with its history into the clone.
func (c *Clone) FetchBranch(ctx context.Context, branch string, head mirror.Hash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := mirror.CheckBranch(branch); err != nil {
		return fmt.Errorf("fetch of branch %q: %w", branch, err)
	}
	want, ok := toID(head)
	if !ok {
		return fmt.Errorf("fetch %q: not a commit's id", head)
	}
	if err := c.usable(ctx); err != nil {
		return err
	}
	if err := c.initialize(ctx); err != nil {
		return err
	}
	have := c.haves(trackingRefOf(branch), c.trackingRef(), c.branchRef())
	if !c.store.has(want) {
		if err := c.download(ctx, want, have); err != nil {
			return err
		}
	}
	if err := c.checkClosure(ctx, branch, want, len(have) > 0); err != nil {
		return err
	}
	if err := c.setRef(ctx, trackingRefOf(branch), want); !isBusy(err) {
		return err
	}
	return nil // it only makes the next fetch smaller
}

// haves lists commits of ours that the remote is likely to know: the tips, then
// ancestors, further and further apart.
func (c *Clone) haves(refs ...string) []plumbing.Hash {
	var out []plumbing.Hash
	seen := make(map[plumbing.Hash]bool)
	for _, ref := range refs {
		at, ok := c.readRef(ref)
		for step, skip := 0, 0; ok && len(out) < maxHaves && !seen[at]; step++ {
			seen[at] = true
			cm, err := c.store.commit(at)
			if err != nil {
				break
			}
			if _, err := c.store.tree(cm.tree); err != nil {
				break // a have promises everything below it
			}
			if skip == 0 {
				out = append(out, at)
				skip = max(0, step-8)
			} else {
				skip--
			}
			if step > 4096 || len(cm.parents) == 0 {
				break
			}
			at = cm.parents[0]
		}
	}
	return out
}

// download asks for want and stores the pack that comes.
func (c *Clone) download(ctx context.Context, want plumbing.Hash, have []plumbing.Hash) error {
	if err := c.remote.learnProtocol(ctx); err != nil {
		return err
	}
	a, pack, err := c.remote.fetchPack(ctx, want, have)
	if err != nil {
		return err
	}
	defer a.Close()
	if err := c.storePack(ctx, pack); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("fetch: %w", ctx.Err())
		}
		var local *diskError
		if errors.As(err, &local) {
			return cloneFault("The clone cannot be written.", err)
		}
		return fetchFault(err)
	}
	if err := c.store.check(want); err != nil && !errors.Is(err, plumbing.ErrObjectNotFound) {
		return err // a damaged pack of ours hides what came
	} else if err != nil {
		return networkFault("The git server did not send what it was asked for.", fmt.Errorf("commit %s is missing from the pack", want))
	}
	return nil
}

// fetchFault: a commit that the remote no longer has was overtaken by a push.
func fetchFault(err error) error {
	var said *remoteError
	if errors.As(err, &said) && containsFold(said.text, "not our ref", "unadvertised object") {
		return fmt.Errorf("%w: %w", mirror.ErrStale, err)
	}
	return protocolFault(err)
}

// learnProtocol makes sure that a server which knows only v0 is known as such.
func (r *remote) learnProtocol(ctx context.Context) error {
	if r.v0 || r.spoken {
		return nil
	}
	_, err := r.listRefs(ctx, []string{"HEAD"}, func(string) bool { return false })
	return err
}

// fetchPack sends the one request of a fetch. The reader gives the pack.
func (r *remote) fetchPack(ctx context.Context, want plumbing.Hash, have []plumbing.Hash) (*answer, io.Reader, error) {
	var b []byte
	if r.v0 {
		b = pkt(b, "want %s ofs-delta no-progress side-band-64k agent=%s\n", want, agent)
		b = append(b, "0000"...)
	} else {
		b = pkt(b, "command=fetch")
		b = pkt(b, "agent=%s", agent)
		b = pkt(b, "object-format=sha1")
		b = append(b, "0001"...)
		b = pkt(b, "ofs-delta\n")
		b = pkt(b, "no-progress\n")
		b = pkt(b, "want %s\n", want)
	}
	for _, h := range have {
		b = pkt(b, "have %s\n", h)
	}
	b = pkt(b, "done\n")
	if !r.v0 {
		b = append(b, "0000"...)
	}
	a, err := r.uploadPack(ctx, b, !r.v0)
	if err != nil {
		return nil, nil, err
	}
	pack, err := packBehindHeader(a, r.v0)
	if err != nil {
		a.Close()
		return nil, nil, fetchFault(err)
	}
	return a, pack, nil
}

// packBehindHeader skips the sections before the pack.
func packBehindHeader(r io.Reader, v0 bool) (io.Reader, error) {
	pkts := packetsOf(r, math.MaxInt64)
	for {
		b, kind, err := pkts.next()
		if err != nil {
			return nil, unexpected(err)
		}
		line := string(bytes.TrimSuffix(b, []byte("\n")))
		switch {
		case strings.HasPrefix(line, "ERR "):
			return nil, pkts.said(line[4:])
		case v0 && kind == pktData && len(b) > 0 && b[0] <= bandError:
			s := &sideband{pkts: pkts}
			if err := s.feed(bytes.Clone(b)); err != nil {
				return nil, err
			}
			return s, nil
		case !v0 && line == "packfile":
			return &sideband{pkts: pkts}, nil
		case v0 && kind == pktFlush, kind == pktEnd:
			return nil, io.ErrUnexpectedEOF
		}
	}
}

// diskError marks a failure of the local disk.
type diskError struct{ error }

func (e *diskError) Unwrap() error { return e.error }

// diskWriter marks its errors as the local disk's.
type diskWriter struct{ w io.Writer }

func (d diskWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}

// storePack receives a pack into the store.
func (c *Clone) storePack(ctx context.Context, r io.Reader) error {
	f, tmp, err := c.store.tempPack()
	if err != nil {
		return &diskError{err}
	}
	keep := false
	defer func() {
		f.Close()
		if !keep {
			c.git.Remove(tmp)
		}
	}()
	p := &packReceiver{at: f}
	if err := p.scan(ctx, r, diskWriter{f}); err != nil {
		return err
	}
	io.Copy(io.Discard, io.LimitReader(r, 1<<20)) // the stream's end, so that the connection lives on
	if len(p.entries) == 0 {
		return nil
	}
	if err := p.resolve(ctx); err != nil {
		return err
	}
	if err := c.store.installPack(tmp, p.sum, p.entries); err != nil {
		return &diskError{err}
	}
	keep = true
	return nil
}
