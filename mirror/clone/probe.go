package clone

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

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
// nothing. What a branch's own rules say is only known from a push.
func ProbePush(ctx context.Context, url string, cred mirror.Credentials, client *http.Client) error {
	r, err := newRemote(url, cred, client)
	if err != nil {
		return err
	}
	return r.probePush(ctx)
}
