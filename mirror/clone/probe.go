package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Refs is what a repository tells of its branches.
type Refs struct {
	// Branches by name, without refs/heads/.
	Branches map[string]mirror.Hash
	// HEAD is the branch that HEAD points to, "" when the server does not say.
	HEAD  string
	Empty bool // there is no branch at all
}

func newRemote(url string, cred mirror.Credentials, client *http.Client) (*remote, error) {
	t, err := newTransport(url, cred, client, 0)
	if err != nil {
		return nil, err
	}
	return &remote{t: t, log: slog.New(slog.DiscardHandler)}, nil
}

// ListRefs lists a repository's branches: for connection tests and for finding
// the main branch. Errors are *mirror.Fault.
func ListRefs(ctx context.Context, url string, cred mirror.Credentials, client *http.Client) (Refs, error) {
	r, err := newRemote(url, cred, client)
	if err != nil {
		return Refs{}, err
	}
	list, err := r.listRefs(ctx, []string{"HEAD", "refs/heads/"}, func(name string) bool { return strings.HasPrefix(name, "refs/heads/") })
	if err != nil {
		return Refs{}, err
	}
	refs := Refs{Branches: make(map[string]mirror.Hash, len(list.refs)), Empty: len(list.refs) == 0}
	for name, id := range list.refs {
		refs.Branches[strings.TrimPrefix(name, "refs/heads/")] = fromID(id)
	}
	refs.HEAD, _ = strings.CutPrefix(list.head, "refs/heads/")
	return refs, nil
}

// ProbePush asks the remote whether these credentials may push at all. It writes
// nothing. What a branch's own rules say is only known from a push: see TryPush.
func ProbePush(ctx context.Context, url string, cred mirror.Credentials, client *http.Client) error {
	r, err := newRemote(url, cred, client)
	if err != nil {
		return err
	}
	return r.probePush(ctx)
}

// nobodysCommit is the empty blob: no branch stands there.
var nobodysCommit = plumbing.ComputeHash(plumbing.BlobObject, nil)

// TryPush pushes a branch in a way that the branch's rules and hooks judge like any push,
// and that changes nothing: from a commit where no branch can be, to the one where it is.
// nil: nothing but that stands in the way. Errors are *mirror.Fault, those of a push.
func TryPush(ctx context.Context, url, branch string, head mirror.Hash, cred mirror.Credentials, client *http.Client) error {
	r, err := newRemote(url, cred, client)
	if err != nil {
		return err
	}
	to, ok := toID(head)
	if !ok {
		return fmt.Errorf("try of a push of branch %q at %q: not a commit's id", branch, head)
	}
	body := bytes.NewBuffer(move{branch, nobodysCommit, to}.command())
	empty, err := newPackWriter(body, 0)
	if err != nil {
		return err
	}
	if _, err := empty.finish(); err != nil {
		return err
	}
	open, length := bytesBody(body.Bytes())
	rep, err := r.receivePack(ctx, open, length)
	if err != nil {
		return err
	}
	err = rep.verdict(refOf(branch))
	switch f, told := errors.AsType[*mirror.Fault](err); {
	case errors.Is(err, mirror.ErrStale):
		return nil
	case told && f.Code == mirror.CodePushRefused && !containsFold(rep.refs[refOf(branch)], "hook declined"):
		return nil // in other words that the branch is not where it was said to be
	}
	return err
}
