package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// remote is what a connection's settings make: credentials for git, and the host's
// REST interface if it has one.
type remote struct {
	credentials mirror.Credentials // nil: anonymous
	host        mirror.Forge       // nil: a plain git host
}

// Connector makes remotes. Mirrors of one consumer share a token.
type Connector struct {
	git, rest *http.Client
	transport *http.Transport // of both
	userAgent string
	now       func() time.Time // nil is time.Now
	tokens    bitbucket.TokenSources
	paces     bitbucket.Paces // of REST requests, for all mirrors of a consumer
}

// NewConnector makes a connector that names itself to REST interfaces by version.
func NewConnector(version string) *Connector {
	transport := outbound()
	return &Connector{
		git: &http.Client{Transport: transport}, rest: &http.Client{Transport: transport, Timeout: restTimeout},
		transport: transport, userAgent: "confmirror/" + version,
	}
}

// count has requests counted in a registry. It comes before the first one.
func (c *Connector) count(registry prometheus.Registerer) {
	metered := newMeter(c.transport, registry)
	c.git.Transport, c.rest.Transport = metered, metered
}

// trace has requests of runs traced. It comes before the first one.
func (c *Connector) trace(tracer trace.Tracer) {
	traced := &tracedTransport{c.git.Transport, tracer}
	c.git.Transport, c.rest.Transport = traced, traced
}

func (c *Connector) remote(s mirror.Settings) (remote, error) {
	var r remote
	var tokens bitbucket.Tokens
	switch {
	case !s.AccessToken.IsZero():
		static := bitbucket.NewStaticToken(s.AccessToken)
		if bitbucket.IsDataCenter(s.APIURL) {
			static = bitbucket.NewBearerToken(s.AccessToken)
		}
		tokens, r.credentials = static, static
	case hasConsumer(s):
		source, err := c.consumer(s)
		if err != nil {
			return remote{}, err
		}
		tokens, r.credentials = source, source
	}
	if s.APIURL != "" {
		if tokens == nil {
			return remote{}, &mirror.Fault{Code: mirror.CodeConnectionFailed, Message: mirror.ConnectionFailedMessage,
				Remedy: "Set client_id and client_secret of an OAuth consumer, or an access token.", Class: mirror.Permanent}
		}
		client, err := bitbucket.New(bitbucket.Target{
			Workspace: s.Workspace, Slug: s.Repository, URL: s.APIURL, HTTP: c.rest, UserAgent: c.userAgent, Paces: &c.paces,
		}, tokens)
		if err != nil {
			return remote{}, err
		}
		r.host = client
	}
	return r, nil
}

func hasConsumer(s mirror.Settings) bool {
	return s.AccessToken.IsZero() && (s.ClientID != "" || !s.ClientSecret.IsZero())
}

// consumer is where the tokens of a connection's consumer come from.
func (c *Connector) consumer(s mirror.Settings) (*bitbucket.TokenSource, error) {
	return c.tokens.Source(bitbucket.Consumer{
		ID: s.ClientID, Secret: s.ClientSecret, URL: s.OAuthURL, HTTP: c.rest, UserAgent: c.userAgent, Now: c.now,
	})
}

// insist has the next request of a connection ask for a token, though its consumer was
// refused one a moment ago.
func (c *Connector) insist(s mirror.Settings) {
	if !hasConsumer(s) {
		return
	}
	if source, err := c.consumer(s); err == nil {
		source.Insist()
	}
}

// granted reports whether a connection's consumer has a token.
func (c *Connector) granted(s mirror.Settings) bool {
	if !hasConsumer(s) {
		return false
	}
	source, err := c.consumer(s)
	return err == nil && source.Granted()
}

// expiry is when the token of a connection's consumer ends; zero without one.
func (c *Connector) expiry(s mirror.Settings) time.Time {
	if !hasConsumer(s) {
		return time.Time{}
	}
	source, err := c.consumer(s)
	if err != nil {
		return time.Time{}
	}
	return source.Expiry()
}

// resolve finds out which branch of which repository the settings mean. A branch
// that was left open is resolved once: a later change of the main branch is not
// followed. When REST does not answer, what is known goes on; git may still work.
func (c *Connector) resolve(ctx context.Context, m *mirror.Mirror, r remote) (mirror.Identity, mirror.Repository, error) {
	s := m.Settings
	identity := mirror.Identity{Branch: s.Branch, Prefix: s.PathPrefix}
	var repository mirror.Repository
	var main string
	if r.host != nil {
		var err error
		if repository, err = r.host.Repository(ctx); err != nil {
			return identity, repository, err
		}
		identity.Repository, main = repository.UUID, repository.MainBranch
	}
	// A plain git host, or one that names no uuid. A mirror that began by git alone goes on so:
	// it is the same place still.
	if identity.Repository == "" || m.Identity.Repository == s.CloneURL() {
		identity.Repository = s.CloneURL()
	}
	if identity.Branch == "" && m.Identity.Repository == identity.Repository && m.Identity.Branch != "" {
		identity.Branch = m.Identity.Branch
	}
	if identity.Branch == "" {
		if main == "" {
			refs, err := clone.ListRefs(ctx, s.CloneURL(), r.credentials, c.git)
			if err != nil {
				return identity, repository, err
			}
			main = refs.HEAD
		}
		if main == "" {
			main = "main"
		}
		identity.Branch = main
	}
	return identity, repository, nil
}

// session is an open mirror: its clone and what it was opened with. The worker that
// runs the mirror owns it.
type session struct {
	settings mirror.Settings
	identity mirror.Identity
	limits   document.Limits
	host     mirror.Forge // nil: a plain git host
	clone    *clone.Clone
}

// sessions keeps the open mirrors.
type sessions struct {
	connector *Connector
	store     mirror.Store
	dir       string // of the clones
	committer mirror.Signature
	log       *slog.Logger
	trees     *worktrees

	mu   sync.Mutex
	open map[string]*session
	used []string // open ones that may hold much in memory, that used last at the end
}

// warmSessions is how many clones keep in memory what they read: those of the mirrors that
// ran last. The others read it again.
const warmSessions = 32

// ran notes that a mirror's run has ended, and lets the one rest that has not run for longest.
func (s *sessions) ran(organizationID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = slices.DeleteFunc(s.used, func(id string) bool { return id == organizationID })
	if s.open[organizationID] != nil {
		s.used = append(s.used, organizationID)
	}
	for len(s.used) > warmSessions {
		s.open[s.used[0]].clone.Rest() // one that runs just now comes back when it ends
		s.used = s.used[1:]
	}
}

// acquire opens a mirror, or reuses what is open if the settings and limits are the same.
func (s *sessions) acquire(ctx context.Context, m *mirror.Mirror, limits document.Limits) (*session, error) {
	s.mu.Lock()
	current := s.open[m.OrganizationID]
	s.mu.Unlock()
	if current != nil && current.settings == m.Settings && current.identity == m.Identity && current.limits == limits {
		if current.clone.Stands() {
			return current, nil
		}
		s.log.Warn("the clone's directory is gone, cloning again", "organization", m.Organization)
	}
	s.release(m.OrganizationID)
	r, err := s.connector.remote(m.Settings)
	if err != nil {
		return nil, err
	}
	if err := s.identify(ctx, m, r); err != nil {
		return nil, err
	}
	opened, err := s.openClone(ctx, m, r, filepath.Join(s.dir, m.Organization), limits)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.open[m.OrganizationID] = opened
	s.mu.Unlock()
	s.trees.add(m.OrganizationID, filepath.Join(s.dir, m.Organization), opened.clone, m.Settings.Layout())
	return opened, nil
}

// fails reports whether REST gives no answer now, where git may.
func (r remote) fails(err error) bool {
	return err != nil && mirror.AsFault(err).Class == mirror.Transient && r.host != nil
}

// goesOn reports whether what is known of a mirror is enough meanwhile.
func (r remote) goesOn(m *mirror.Mirror, err error) bool {
	known := m.Identity
	return r.fails(err) && !known.IsZero() && known.Prefix == m.Settings.PathPrefix &&
		(m.Settings.Branch == "" || m.Settings.Branch == known.Branch)
}

// identify resolves the connection and stores what it found.
func (s *sessions) identify(ctx context.Context, m *mirror.Mirror, r remote) error {
	identity, repository, err := s.connector.resolve(ctx, m, r)
	if r.fails(err) {
		if r.goesOn(m, err) {
			s.log.Warn("repository's facts are not to be had, going on with what is known", "organization", m.Organization, "error", err)
			return nil
		}
		s.log.Warn("repository's facts are not to be had, going by git alone", "organization", m.Organization, "error", err)
		r.host = nil
		identity, repository, err = s.connector.resolve(ctx, m, r)
	}
	if err != nil {
		return err
	}
	if identity != m.Identity && !m.Identity.IsZero() {
		s.log.Info("connected to another place; the next run is a first connection and deletes nothing",
			"organization", m.Organization, "was", fmt.Sprint(m.Identity), "is", fmt.Sprint(identity))
	}
	if err := s.store.Identify(ctx, m, identity, repository); err != nil {
		return err
	}
	fresh, err := s.store.Mirror(ctx, m.OrganizationID)
	if err != nil {
		return err
	}
	epoch := m.Epoch
	*m = *fresh
	m.Epoch = epoch
	return nil
}

func (s *sessions) openClone(ctx context.Context, m *mirror.Mirror, r remote, dir string, limits document.Limits) (*session, error) {
	c, err := clone.Open(ctx, clone.Options{
		Dir: dir, URL: m.Settings.CloneURL(), Branch: m.Branch(), Layout: m.Settings.Layout(),
		Limits: limits, Committer: s.committer, Credentials: r.credentials,
		Client: s.connector.git, Logger: s.log.With("organization", m.Organization),
	})
	if err != nil {
		return nil, err
	}
	return &session{settings: m.Settings, identity: m.Identity, limits: limits, host: r.host, clone: c}, nil
}

// tokenExpiry is when the token of an open mirror ends; zero without one.
func (s *sessions) tokenExpiry(organizationID string) time.Time {
	s.mu.Lock()
	current := s.open[organizationID]
	s.mu.Unlock()
	if current == nil {
		return time.Time{}
	}
	return s.connector.expiry(current.settings)
}

// count is how many clones are open.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// release closes a mirror's clone.
func (s *sessions) release(organizationID string) {
	s.mu.Lock()
	current := s.open[organizationID]
	delete(s.open, organizationID)
	s.used = slices.DeleteFunc(s.used, func(id string) bool { return id == organizationID })
	s.mu.Unlock()
	if current != nil {
		s.trees.remove(organizationID)
		if err := current.clone.Close(); err != nil {
			s.log.Warn("closing a clone", "error", err)
		}
	}
}

func (s *sessions) close() {
	s.mu.Lock()
	ids := make([]string, 0, len(s.open))
	for id := range s.open {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.release(id)
	}
}
