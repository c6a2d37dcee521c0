package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

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
	again := false
	for {
		p, err := c.pushBody(ctx, bu)
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
			return c.settle(ctx, bu, err)
		}
		if rep.unpack != "ok" && p.thin { // a server may refuse packs that build on what it has
			c.log.Info("the remote could not take a thin pack; it gets a whole one", "said", cleanText(rep.unpack))
			c.remote.noThin, again = true, true
			continue
		}
		if rep.unpack != "ok" && again {
			c.remote.noThin = false // it was something else
		}
		err = rep.verdict(c.branchRef())
		if _, named := rep.refs[c.branchRef()]; err != nil && !named && rep.unpack == "ok" && mirror.AsFault(err).Code == mirror.CodePushRefused {
			return c.settle(ctx, bu, protocolFault(fmt.Errorf("%w: %s", errReport, rep.shown("it does not name the branch"))))
		}
		if err != nil {
			return err
		}
		return c.pushed(ctx, bu)
	}
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
