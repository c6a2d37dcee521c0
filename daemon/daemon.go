package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon/panel"
	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/secretscan"
)

// Options of a daemon.
type Options struct {
	Config *configs.Config
	// DB is open and migrated; the daemon does not close it.
	DB *db.DB
	// AdminToken guards API and metrics.
	AdminToken mirror.Secret
	Logger     *slog.Logger
	Version    string
	// Listener to serve on; nil listens on the configured address.
	Listener net.Listener
	// Now is the clock of what goes by the time of day; nil is time.Now.
	Now func() time.Time
	// Ready is called with the address once requests are answered.
	Ready func(address string)
}

// grace is how long runs under way may take to end after the daemon was told to stop.
const grace = 8 * time.Second

// workers run mirrors. They mostly wait for remotes to say that nothing is new, so there are
// more than cores; atWork of them plan and write at once, which bounds the memory.
const (
	workers = 16
	atWork  = 4
)

// Daemon is the running program.
type Daemon struct {
	o          Options
	log        *slog.Logger
	db         *db.DB
	queue      *Queue
	leases     *leases
	sessions   *sessions
	trees      *worktrees
	connector  *Connector
	troubles   troubles
	events     events
	errands    *errands
	deliveries *deliveries
	verdicts   *verdicts
	webhooks   *webhooks
	reviews    *reviews
	metrics    *metrics
	health     *health
	// notifications belong to the goroutine that examines the mirrors.
	notifications *notifications
	atWork        chan struct{} // see mirror.Runner
	registry      *prometheus.Registry
	tracer        trace.Tracer
	holder        string
	setting       *setting
	reloading     sync.Mutex // one configuration after another is taken up
	conditions    *conditions
	answers       *web.Server
	now           func() time.Time
}

// New makes a daemon. Nothing runs before Run.
func New(o Options) *Daemon {
	d := &Daemon{o: o, log: o.Logger, db: o.DB, registry: prometheus.NewRegistry(), holder: passerby(), errands: newErrands(), verdicts: newVerdicts(), deliveries: newDeliveries(), webhooks: newWebhooks(), reviews: newReviews(), health: newHealth(), atWork: make(chan struct{}, atWork), now: o.Now, setting: newSetting(o.Config, o.AdminToken), tracer: noop.Tracer{}}
	if d.now == nil {
		d.now = time.Now
	}
	d.connector = NewConnector(o.Version)
	d.connector.now, d.connector.paces.Now = d.now, d.now
	d.connector.count(d.registry)
	d.notifications = &notifications{client: &http.Client{
		Transport:     d.connector.git.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	d.trees = newWorktrees(o.Logger, func(id string) { d.queue.Nudge(id, Nudge{Trigger: "local"}) })
	d.sessions = &sessions{
		connector: d.connector, store: o.DB, dir: filepath.Join(o.Config.DataDir, "clones"), trees: d.trees,
		committer: committer, log: o.Logger, open: map[string]*session{},
	}
	d.queue = NewQueue(func() time.Duration { return d.config().Sync.BatchWindow }, d.job)
	d.leases = &leases{db: o.DB, log: o.Logger, gained: d.gained, lost: d.lost, claimNow: make(chan struct{}, 1)}
	d.metrics = newMetrics(d.registry, d)
	d.conditions = newConditions(d.registry, d.now)
	d.answers = web.New(d.webOptions())
	d.answers.Mount(panel.New(panel.Options{Server: d.answers, DB: d.db, Engine: engine{d}, Version: o.Version}))
	return d
}

// committer signs the daemon's commits.
var committer = mirror.Signature{Name: "confmirror", Email: "noreply@confmirror.invalid"}

// Run serves until ctx ends, then finishes or undoes what is under way. It fails
// at once if it cannot listen or connect the configured mirrors.
func (d *Daemon) Run(ctx context.Context) error {
	listener := d.o.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", d.config().HTTP.Listen); err != nil {
			return fmt.Errorf("http.listen: %w", err)
		}
	}
	own, err := takeInstance(d.config().DataDir)
	if err != nil {
		listener.Close()
		return fmt.Errorf("data_dir %s: %w", d.config().DataDir, err)
	}
	defer own.release()
	tracer, endTraces, err := newTracer(ctx, d.o.Version, d.log)
	if err != nil {
		listener.Close()
		return err
	}
	d.tracer = tracer
	d.connector.trace(tracer)
	d.holder, d.leases.holder = own.holder, own.holder
	_, d.webhooks.port, _ = net.SplitHostPort(listener.Addr().String())
	if err := d.takeUpMirrors(ctx); err != nil {
		listener.Close()
		return err
	}
	// Runs outlive ctx by the grace, so that a step under way is finished.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	context.AfterFunc(ctx, func() { time.AfterFunc(grace, stopWork) })
	queueDone, stopQueue := context.WithCancel(work)
	context.AfterFunc(ctx, stopQueue)

	var wg sync.WaitGroup
	failed := make(chan error, 1)
	wg.Go(func() { d.queue.Run(queueDone, work, workers) })
	wg.Go(func() { d.leases.run(ctx) })
	wg.Go(func() { d.trees.run(ctx) })
	wg.Go(func() { d.tellHolders(ctx) })
	wg.Go(func() { d.deliverVerdicts(ctx) })
	wg.Go(func() { d.recordDeliveries(ctx) })
	wg.Go(func() { d.keepWebhooks(ctx) })
	wg.Go(func() { d.review(ctx) })
	wg.Go(func() {
		follow(ctx, d.setting, func(c *configs.Config) bool { return c.Database.Notify }, d.watch)
	})
	wg.Go(func() { d.schedule(ctx) })
	wg.Go(func() { d.housekeep(ctx) })
	wg.Go(func() { d.watchHealth(ctx) })
	wg.Go(func() {
		if err := d.serveHTTP(ctx, listener); err != nil {
			failed <- err
		}
	})
	if d.o.Ready != nil {
		d.o.Ready(listener.Addr().String())
	}
	select {
	case <-ctx.Done():
	case err := <-failed:
		stopQueue()
		stopWork()
		return err // the process ends; there is nothing to wait for
	}
	wg.Wait()
	d.sessions.close()
	d.connector.git.CloseIdleConnections()
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	d.leases.release(final)
	endTraces(final)
	return nil
}

// Alive reports whether the daemon gets on: its leases' beat goes on, whatever the database
// says to it, and its queue can be asked. One that does not is better started anew. It may
// block where it should say no.
func (d *Daemon) Alive() bool {
	d.queue.Depth()
	return d.leases.beating(time.Now())
}

// webOptions are how requests are answered, by the configuration as it is now.
func (d *Daemon) webOptions() web.Options {
	c, token, _ := d.setting.get()
	o := c.HTTP.OIDC
	return web.Options{
		DB: d.db, Engine: engine{d}, AdminToken: token, Registry: d.registry,
		PublicURL: c.HTTP.PublicURL, AllowedHosts: c.HTTP.AllowedHosts,
		OIDC: web.OIDC{
			Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret, AllowedGroup: o.AllowedGroup,
			GroupsClaim: o.GroupsClaim, Scopes: o.Scopes, Transport: d.connector.git.Transport,
		},
		Limits: c.Rules().Limits, Version: d.o.Version, Logger: d.log, Now: time.Now,
		Push: c.Sync.Push, Conflict: c.Sync.Conflict,
	}
}

// serveHTTP answers webhooks and the API until ctx ends.
func (d *Daemon) serveHTTP(ctx context.Context, listener net.Listener) error {
	if o := d.config().HTTP.OIDC; o.Issuer != "" {
		d.log.Info("people may sign in at an OpenID provider", "issuer", o.Issuer, "group", o.AllowedGroup)
	}
	server := &http.Server{
		Handler:           d.answers,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if err := server.Shutdown(limit); err != nil {
			server.Close()
		}
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// takeUpMirrors makes the mirrors of the configuration file when the daemon starts. What
// another daemon's file lists stays, and only an embedded database has no other.
func (d *Daemon) takeUpMirrors(ctx context.Context) error {
	if err := d.db.Recognize(ctx); err != nil { // first: what is connected elsewhere is no copy any more
		return err
	}
	c := d.config()
	return d.connectConfigured(ctx, c, func(organization string) bool {
		return !c.Database.URL.IsZero() || slices.ContainsFunc(c.Mirrors, func(m *configs.MirrorConfig) bool { return m.Organization == organization })
	})
}

// connectConfigured makes the mirrors of a configuration, and releases all others that come
// from a file but those to keep. One that cannot be made is logged; the others are mirrored
// all the same.
func (d *Daemon) connectConfigured(ctx context.Context, c *configs.Config, keep func(organization string) bool) error {
	if err := d.db.ReleaseConnections(db.As(ctx, configured), keep); err != nil {
		return err
	}
	refused, err := Connect(ctx, d.db, c.Mirrors)
	for organization, err := range refused {
		f := mirror.AsFault(err)
		d.log.Error("a configured mirror cannot be connected", "organization", organization, "code", f.Code, "message", f.Message, "remedy", f.Remedy)
	}
	return err
}

// configured is who changes what the configuration file has.
const configured = "configuration file"

// Connect makes organizations and connections as the configuration lists them. It
// returns by organization what could not be connected, because another one stands
// in its way.
func Connect(ctx context.Context, database *db.DB, mirrors []*configs.MirrorConfig) (refused map[string]error, err error) {
	for _, m := range mirrors {
		o, _, err := database.EnsureOrganization(ctx, m.Organization)
		if err != nil {
			return refused, fmt.Errorf("organization %s: %w", m.Organization, err)
		}
		_, err = database.SaveConnection(db.As(ctx, configured), o.ID, db.ConnectionWrite{Settings: m.Settings(), Source: db.SourceConfig})
		var fault *mirror.Fault
		switch {
		case errors.As(err, &fault) && fault.Code == mirror.CodeAlreadyConnected:
			if refused == nil {
				refused = map[string]error{}
			}
			refused[m.Organization] = err
		case err != nil:
			return refused, fmt.Errorf("mirror of organization %s: %w", m.Organization, err)
		}
	}
	return refused, nil
}

func (d *Daemon) gained(id string) {
	d.log.Debug("holding a mirror", "organization_id", id)
	d.health.success(id, d.now())
	d.queue.Nudge(id, Nudge{Trigger: db.TriggerStart, Look: true, Background: true})
}

// lost lets the mirror's worker close its session: a job without a lease does only that.
func (d *Daemon) lost(id string) {
	d.health.forget(id)
	d.log.Info("a mirror went to another daemon, or was disconnected", "organization_id", id)
	d.queue.Nudge(id, Nudge{Trigger: "lost"})
}

// partOfBurst bounds what a run holds in memory; fewer changes than that are one push.
const partOfBurst = 2500

// runner runs mirrors by a configuration: the one that the clone was opened by.
func (d *Daemon) runner(c *configs.Config) *mirror.Runner {
	var scanner mirror.Scanner
	if c.Sync.SecretScan != configs.SecretScanOff {
		scanner = secretscan.New()
	}
	return &mirror.Runner{
		Store: d.db, Rules: c.Rules(), Scanner: scanner, Committer: committer, Now: d.now, Logger: d.log,
		Part: partOfBurst, AtWork: d.atWork,
		Progress: func(p mirror.Progress) {
			d.events.publish(web.Event{Type: "run.progress", Organization: p.Organization, Data: p})
		},
	}
}
