package clone

import (
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

// move is a branch of the remote that goes from one commit to another; zero is none.
type move struct {
	branch   string
	from, to plumbing.Hash
}

// command is the head of a push: what is to be done, ahead of the pack.
func (m move) command() []byte {
	head := pkt(nil, "%s %s %s\x00 report-status side-band-64k object-format=sha1 agent=%s", m.from, m.to, refOf(m.branch), agent)
	return append(head, "0000"...)
}

// Push moves the remote branch from b.Parent() to b.Head().
func (c *Clone) Push(ctx context.Context, b mirror.Built) error {
	return c.PushBranch(ctx, c.o.Branch, b.Parent(), b)
}

// PushBranch moves any branch of the remote from old to b.Head(). The remote must have b.Parent().
func (c *Clone) PushBranch(ctx context.Context, branch string, old mirror.Hash, b mirror.Built) error {
	bu, ok := b.(*built)
	if !ok {
		return fmt.Errorf("push of a %T, which this clone did not build", b)
	}
	from, _ := toID(old)
	return c.moveBranch(ctx, move{branch, from, bu.head}, bu)
}

// DeleteBranch deletes a branch of the remote that stands at old. There is nothing to send.
func (c *Clone) DeleteBranch(ctx context.Context, branch string, old mirror.Hash) error {
	from, ok := toID(old)
	if !ok {
		return fmt.Errorf("delete of branch %q at %q: not a commit's id", branch, old)
	}
	return c.moveBranch(ctx, move{branch: branch, from: from}, nil)
}

// moveBranch pushes a move, with what was built for it.
func (c *Clone) moveBranch(ctx context.Context, m move, bu *built) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := mirror.CheckBranch(m.branch); err != nil {
		return fmt.Errorf("push of branch %q: %w", m.branch, err)
	}
	if err := c.usable(ctx); err != nil {
		return err
	}
	if m.from == m.to {
		return nil
	}
	again := false
	for {
		p, err := c.pushBody(ctx, m, bu)
		if err != nil {
			return err
		}
		if p.length > probeAbove {
			if err := c.remote.probePush(ctx); err != nil {
				return err
			}
		}
		rep, err := c.remote.receivePack(ctx, p.open, p.length)
		if err != nil {
			return c.settle(ctx, m, err)
		}
		if rep.unpack != "ok" && p.thin && !tooLarge(rep.text) { // a server may refuse packs that build on what it has
			c.log.Info("the remote could not take a thin pack; it gets a whole one", "said", cleanText(rep.unpack))
			c.remote.noThin, again = true, true
			continue
		}
		if rep.unpack != "ok" && again {
			c.remote.noThin = false // it was something else
		}
		err = rep.verdict(refOf(m.branch))
		if _, named := rep.refs[refOf(m.branch)]; err != nil && !named && rep.unpack == "ok" && mirror.AsFault(err).Code == mirror.CodePushRefused {
			return c.settle(ctx, m, protocolFault(fmt.Errorf("%w: %s", errReport, rep.shown("it does not name the branch"))))
		}
		if err != nil {
			return err
		}
		return c.pushed(ctx, m)
	}
}

// pushed moves the tracking ref. The branch has moved: a local failure here
// is no failure of the push.
func (c *Clone) pushed(ctx context.Context, m move) error {
	if err := c.track(ctx, m.branch, m.to); err != nil {
		c.log.Warn("tracking ref not moved", "error", err)
	}
	return nil
}

// settle looks where the branch is after an answer was lost.
func (c *Clone) settle(ctx context.Context, m move, cause error) error {
	var f *mirror.Fault
	if ctx.Err() != nil || errors.As(cause, &f) && f.Code != mirror.CodeNetworkUnreachable {
		return cause
	}
	head, err := c.remote.branchHead(ctx, m.branch)
	if err != nil {
		return networkFault("The connection broke during a push; whether it arrived is not known yet.", errors.Join(cause, err))
	}
	if head.Hash == fromID(m.to) {
		c.log.Info("push arrived though its answer did not", "branch", m.branch, "commit", head.Hash, "cause", cause)
		return c.pushed(ctx, m)
	}
	if f != nil && head.Hash == fromID(m.from) {
		return f
	}
	return networkFault("The connection broke during a push.", cause)
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
