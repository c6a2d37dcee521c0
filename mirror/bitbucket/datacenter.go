package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// New makes a client for what the URL is: a path with "/rest/" in it is Data Center's,
// everything else Bitbucket Cloud's or a double of it. It makes no request.
func New(t Target, tokens Tokens) (mirror.Forge, error) {
	if IsDataCenter(t.URL) {
		return NewDataCenter(t, tokens)
	}
	return NewClient(t, tokens)
}

// IsDataCenter reports whether an api_url is that of a Bitbucket Data Center:
// https://host/rest/api/latest, or below a path of its own.
func IsDataCenter(apiURL string) bool {
	u, err := url.Parse(apiURL)
	return err == nil && strings.Contains(u.Path+"/", "/rest/")
}

// CommitURL is the page of a commit in the repository's own web pages, "" where a plain git
// host has none.
func CommitURL(s mirror.Settings, commit mirror.Hash) string {
	if s.APIURL == "" {
		return ""
	}
	repository := strings.TrimSuffix(s.CloneURL(), ".git")
	if IsDataCenter(s.APIURL) {
		base := strings.TrimSuffix(s.GitURL, "/scm")
		repository = fmt.Sprintf("%s/projects/%s/repos/%s", base, s.Workspace, s.Repository)
	}
	return repository + "/commits/" + string(commit)
}

// DataCenter is one repository on a Bitbucket Data Center (or Server) of 7.5 or later
// (https://developer.atlassian.com/server/bitbucket/rest/); "server" in names is its. Its tokens are HTTP access
// tokens: see [NewBearerToken]. It is safe for concurrent use.
type DataCenter struct{ wire }

var _ mirror.Forge = (*DataCenter)(nil)

// NewDataCenter checks the target. It makes no request. How many requests are allowed is
// up to who runs the host: only what it says itself limits them.
func NewDataCenter(t Target, tokens Tokens) (*DataCenter, error) {
	const unlimited = 0
	w, err := newWire(t, tokens, unlimited)
	if err != nil {
		return nil, err
	}
	d := &DataCenter{w}
	d.explain = d.fault
	return d, nil
}

// What HTTP access tokens may be allowed to do, by the names that Data Center has for it.
const (
	repoRead  = "REPO_READ"
	repoWrite = "REPO_WRITE"
	repoAdmin = "REPO_ADMIN"
)

// repository is a path below the repository's resource.
func (d *DataCenter) repository(segments ...string) string {
	return d.address(append([]string{"projects", d.target.Workspace, "repos", d.target.Slug}, segments...)...)
}

// beside is a path below the repository's resource in another interface of the same host.
func (d *DataCenter) beside(api string, segments ...string) string {
	address := d.repository(segments...)
	root, _, _ := strings.Cut(d.base.String(), "/rest/")
	return root + "/rest/" + api + strings.TrimPrefix(address, strings.TrimSuffix(d.base.String(), "/"))
}

func (d *DataCenter) send(ctx context.Context, r request, into any) error {
	_, err := d.do(ctx, r, into)
	return err
}

// serverPage is a page of a list.
type serverPage[T any] struct {
	Values []T  `json:"values"`
	Last   bool `json:"isLastPage"`
	Next   *int `json:"nextPageStart"` // null on the last page
}

// listServer reads a list page by page until take wants no more.
func listServer[T any](ctx context.Context, d *DataCenter, r request, take func(T) (more bool)) error {
	if r.query == nil {
		r.query = url.Values{}
	}
	r.query.Set("limit", "100")
	for range maxPages {
		var p serverPage[T]
		if err := d.send(ctx, r, &p); err != nil {
			return err
		}
		for _, v := range p.Values {
			if !take(v) {
				return nil
			}
		}
		if p.Last || p.Next == nil {
			return nil
		}
		r.query.Set("start", strconv.Itoa(*p.Next))
	}
	return nil
}

// upToDate makes a write that names the version which it changes, and once more when
// somebody was faster.
func upToDate(write func() error) error {
	err := write()
	if _, e := refusal(err); e != nil && e.Status == http.StatusConflict && strings.HasSuffix(e.Exception, "OutOfDateException") {
		return write()
	}
	return err
}

// serverLinks are how Data Center links to pages.
type serverLinks struct {
	Self []struct {
		Href string `json:"href"`
	} `json:"self"`
}

func (l serverLinks) first() string {
	if len(l.Self) == 0 {
		return ""
	}
	return webLink(l.Self[0].Href)
}

// serverRepository is a repository as it is named within others.
type serverRepository struct {
	Slug    string `json:"slug"`
	Project struct {
		Key string `json:"key"`
	} `json:"project"`
}

func (r serverRepository) fullName() string { return r.Project.Key + "/" + r.Slug }

func (d *DataCenter) self() serverRepository {
	r := serverRepository{Slug: d.target.Slug}
	r.Project.Key = d.target.Workspace
	return r
}

// Repository implements [mirror.Host]: two requests, since the main branch is apart.
func (d *DataCenter) Repository(ctx context.Context) (mirror.Repository, error) {
	var b struct {
		serverRepository
		Links serverLinks `json:"links"`
	}
	if err := d.send(ctx, request{address: d.repository(), scope: repoRead}, &b); err != nil {
		return mirror.Repository{}, err
	}
	if b.Slug == "" {
		return mirror.Repository{}, unexpected(nil)
	}
	r := mirror.Repository{FullName: b.fullName(), URL: b.Links.first()}
	var main struct {
		DisplayID string `json:"displayId"`
	}
	// An empty repository answers 204, older hosts 404.
	err := d.send(ctx, request{address: d.repository("default-branch"), scope: repoRead}, &main)
	if err = gone(err, "a main branch"); err != nil && !errors.Is(err, mirror.ErrGone) {
		return mirror.Repository{}, err
	}
	r.MainBranch = main.DisplayID
	return r, nil
}
