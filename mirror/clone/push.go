package clone

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// probeAbove: before a larger pack is sent, one small request finds out whether
// the credentials are good and where the repository is.
const probeAbove = 1 << 20

// Push moves the remote branch from b.Parent() to b.Head().
func (c *Clone) Push(ctx context.Context, b mirror.Built) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bu, ok := b.(*built)
	if !ok {
		return fmt.Errorf("push of a %T, which this clone did not build", b)
	}
	if err := c.usable(ctx); err != nil {
		return err
	}
	if bu.head == bu.parent {
		return nil
	}
	body, length, err := c.pushBody(ctx, bu)
	if err != nil {
		return err
	}
	if length > probeAbove {
		if err := c.remote.probePush(ctx); err != nil {
			return err
		}
	}
	rep, err := c.remote.receivePack(ctx, body, length)
	if err != nil {
		return c.settle(ctx, bu, err)
	}
	if err := rep.verdict(c.branchRef()); err != nil {
		return err
	}
	return c.pushed(ctx, bu)
}

// pushed advances the tracking ref. The branch has moved: a local failure here
// is no failure of the push.
func (c *Clone) pushed(ctx context.Context, bu *built) error {
	if err := c.setRef(ctx, c.trackingRef(), bu.head); err != nil {
		c.log.Warn("tracking ref not advanced", "error", err)
	}
	return nil
}

// settle looks where the branch is after an answer was lost.
func (c *Clone) settle(ctx context.Context, bu *built, cause error) error {
	var f *mirror.Fault
	if ctx.Err() != nil || errors.As(cause, &f) && f.Code != mirror.CodeNetworkUnreachable {
		return cause
	}
	head, err := c.remote.branchHead(ctx, c.o.Branch)
	if err != nil {
		return networkFault("The connection broke during a push; whether it arrived is not known yet.", errors.Join(cause, err))
	}
	if head.Hash == fromID(bu.head) {
		c.log.Info("push arrived though its answer did not", "commit", head.Hash, "cause", cause)
		return c.pushed(ctx, bu)
	}
	if f != nil && head.Hash == fromID(bu.parent) {
		return f
	}
	return networkFault("The connection broke during a push.", cause)
}

// pushBody is the command, then the pack: of few objects in memory with trees
// as deltas, else the very file that Build stored.
func (c *Clone) pushBody(ctx context.Context, bu *built) (func() (io.ReadCloser, error), int64, error) {
	head := pkt(nil, "%s %s %s\x00 report-status side-band-64k object-format=sha1 agent=%s",
		bu.parent, bu.head, c.branchRef(), agent)
	head = append(head, "0000"...)
	if !bu.pack.IsZero() {
		name := packPath(bu.pack, ".pack")
		if fi, err := c.git.Lstat(name); err == nil {
			return func() (io.ReadCloser, error) {
				f, err := c.git.Open(name)
				if err != nil {
					return nil, err
				}
				return struct {
					io.Reader
					io.Closer
				}{bufio.NewReaderSize(io.MultiReader(bytes.NewReader(head), f), 256<<10), f}, nil
			}, int64(len(head)) + fi.Size(), nil
		}
	}
	buf := bytes.NewBuffer(head)
	if err := c.encodePush(ctx, buf, bu); err != nil {
		return nil, 0, err
	}
	open, n := bytesBody(buf.Bytes())
	return open, n, nil
}

// encodePush writes the pack of a small push.
func (c *Clone) encodePush(ctx context.Context, w *bytes.Buffer, bu *built) error {
	p, err := newPackWriter(w, len(bu.objects))
	if err != nil {
		return err
	}
	var entry bytes.Buffer
	for _, o := range bu.objects {
		if err := ctx.Err(); err != nil {
			return err
		}
		full := object{kind: o.kind, id: o.id, data: o.data}
		if full.data == nil { // stored in a pack that is gone
			if full.data, err = c.store.read(o.id, o.kind); err != nil {
				return err
			}
		}
		entry.Reset()
		encodePackEntry(&entry, full, o.base, c.deltaFor(o, full.data))
		if err := p.add(o.id, entry.Bytes()); err != nil {
			return err
		}
	}
	_, err = p.finish()
	return err
}

// receivePack sends a push and reads the answer.
func (r *remote) receivePack(ctx context.Context, body func() (io.ReadCloser, error), length int64) (*report, error) {
	a, err := r.t.do(ctx, &request{
		method: http.MethodPost, path: "/git-receive-pack", body: body, length: length,
		header: map[string]string{
			"Content-Type": "application/x-git-receive-pack-request",
			"Accept":       "application/x-git-receive-pack-result",
		},
	})
	if err != nil {
		return nil, err
	}
	if err := checkType(a); err != nil {
		return nil, err
	}
	defer a.Close()
	rep, err := readReport(a)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("push: %w", ctx.Err())
		}
		var said *remoteError
		if errors.As(err, &said) {
			clear := &report{unpack: "ok", text: said.text}
			if f := mirror.AsFault(clear.verdict("")); f.Code != mirror.CodePushRefused {
				return clear, nil // a text we know; anything else may be a failure half way
			}
		}
		if rep != nil && rep.text != "" {
			err = fmt.Errorf("%w (the remote said: %s)", err, cleanText(rep.text))
		}
		return nil, protocolFault(err)
	}
	return rep, nil
}

// probePush asks for the push service and writes nothing.
func (r *remote) probePush(ctx context.Context) error {
	_, err := r.advertised(ctx, "git-receive-pack", func(string) bool { return false })
	return err
}

// deltaFor is a tree's delta against the one it replaces, or nil to send it whole.
func (c *Clone) deltaFor(o builtObject, data []byte) []byte {
	if o.base == plumbing.ZeroHash || o.kind != plumbing.TreeObject || len(data) < 512 {
		return nil
	}
	delta, err := c.store.treeDelta(o.base, o.id)
	if err != nil {
		return nil
	}
	return delta
}
