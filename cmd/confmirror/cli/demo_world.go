package cli

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver" // "sqlite3", for another program's connection

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

const (
	demoOrganization = "acme"
	demoWorkspace    = "acme-corp"
	demoRepository   = "webrix-sync"
	demoBranch       = "main"
)

// worldOptions of newWorld.
type worldOptions struct {
	listen  string // a free address if it is taken
	log     *slog.Logger
	version string
}

// world is the demo's: stand-in, database, daemon, and another program's own
// connection to the database. All of it lies in one temporary directory.
type world struct {
	dir        string
	configPath string
	tokenFile  string
	config     *configs.Config
	token      mirror.Secret
	address    string

	standIn *bitbuckettest.Server
	repo    *bitbuckettest.Repo
	db      *db.DB
	sql     *sql.DB
	orgID   string

	ended  chan error // the daemon's, once
	stop   context.CancelFunc
	closed []func() error // in reverse order
}

// newWorld assembles and starts everything. On an error nothing is left.
func newWorld(ctx context.Context, o worldOptions) (w *world, err error) {
	w = &world{ended: make(chan error, 1), stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.dir, err = os.MkdirTemp("", "confmirror-demo-"); err != nil {
		return w, err
	}
	w.onClose(func() error { return os.RemoveAll(w.dir) })
	listener, err := net.Listen("tcp", o.listen)
	if err != nil { // taken
		if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return w, err
		}
	}
	w.address = listener.Addr().String()
	for _, step := range []func(context.Context) error{
		w.startStandIn,
		w.configure,
		func(ctx context.Context) error { return w.openDatabase(ctx, o.log) },
		w.seed,
		func(ctx context.Context) error { return w.startDaemon(ctx, o, listener) },
	} {
		if err := step(ctx); err != nil {
			listener.Close()
			return w, err
		}
	}
	return w, nil
}

func (w *world) onClose(f func() error) { w.closed = append(w.closed, f) }

// close ends the daemon, then everything that it used.
func (w *world) close() error {
	var errs []error
	for len(w.closed) > 0 {
		last := len(w.closed) - 1
		errs = append(errs, w.closed[last]())
		w.closed = w.closed[:last]
	}
	return errors.Join(errs...)
}

func (w *world) url() string          { return "http://" + w.address }
func (w *world) databaseFile() string { return filepath.Join(w.config.DataDir, db.FileName) }
func (w *world) clone() string        { return filepath.Join(w.config.DataDir, "clones", demoOrganization) }

// startStandIn makes the repository as its people have it before anything is
// connected: with a file that is theirs alone.
func (w *world) startStandIn(context.Context) (err error) {
	if w.standIn, err = bitbuckettest.New(bitbuckettest.Options{Dir: filepath.Join(w.dir, "bitbucket")}); err != nil {
		return err
	}
	w.onClose(w.standIn.Close)
	if w.repo, err = w.standIn.CreateRepository(demoWorkspace, demoRepository); err != nil {
		return err
	}
	_, err = w.repo.Commit(demoBranch, mirror.Signature{Name: "You", Email: "you@example.com"}, "Say what this is",
		bitbuckettest.Write("README.md", demoReadme))
	return err
}

const demoReadme = "# Acme's configuration\n\nThis file belongs to people; confmirror never touches it.\n"

// configure writes the configuration that a person would write, and loads it. The
// environment is left out: a variable meant for the real daemon must not lead the
// demo to the real database.
func (w *world) configure(context.Context) (err error) {
	// With the permission for webhooks, so that the daemon makes its own.
	consumer := w.standIn.AddConsumer(bitbuckettest.Consumer{
		Workspace: demoWorkspace, Scopes: []string{bitbuckettest.ScopePullRequestWrite, bitbuckettest.ScopeWebhook},
	})
	webhookSecret := mirror.NewSecret(rand.Text())
	text := fmt.Sprintf(`# The demo's configuration: it goes with the demo.
data_dir: %[1]q
http: {listen: %[2]q, public_url: %[3]q}
mirrors:
  - organization: %[4]s
    workspace: %[5]s
    repository: %[6]s
    client_id: %[7]q
    client_secret_file: client-secret
    webhook_secret_file: webhook-secret
    api_url: %[8]q
    oauth_url: %[9]q
    git_url: %[10]q
`, filepath.Join(w.dir, "data"), w.address, w.url(), demoOrganization, demoWorkspace, demoRepository,
		consumer.Key, w.standIn.APIURL(), w.standIn.OAuthURL(), w.standIn.GitURL())
	w.configPath = filepath.Join(w.dir, "confmirror.yaml")
	for name, content := range map[string]string{
		w.configPath:                           text,
		filepath.Join(w.dir, "client-secret"):  consumer.Secret + "\n",
		filepath.Join(w.dir, "webhook-secret"): webhookSecret.Reveal() + "\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	w.config, err = configs.Load(w.configPath, nil)
	return err
}

func (w *world) openDatabase(ctx context.Context, log *slog.Logger) (err error) {
	quiet := slog.New(slog.DiscardHandler) // that keys were made is not worth a line here
	if w.db, err = openDatabase(ctx, w.config, quiet); err != nil {
		return err
	}
	w.onClose(w.db.Close)
	if w.token, w.tokenFile, err = adminToken(ctx, w.config, w.db, log); err != nil {
		return err
	}
	source := url.URL{Scheme: "file", Path: w.databaseFile(), RawQuery: url.Values{
		"_pragma": {"busy_timeout(10000)", "foreign_keys(on)"}, "_txlock": {"immediate"},
	}.Encode()}
	if w.sql, err = sql.Open("sqlite3", source.String()); err != nil {
		return err
	}
	w.onClose(w.sql.Close)
	return nil
}

func (w *world) startDaemon(ctx context.Context, o worldOptions, listener net.Listener) error {
	ready := make(chan struct{})
	d := daemon.New(daemon.Options{
		Config: w.config, DB: w.db, AdminToken: w.token, Logger: o.log, Version: o.version, Listener: listener,
		Ready: func(string) { close(ready) },
	})
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ended <- d.Run(running)
	}()
	w.onClose(func() error {
		stop()
		select {
		case <-done:
			return nil
		case <-time.After(demoDeadline):
			return errors.New("the daemon does not end")
		}
	})
	select {
	case <-ready:
		return nil
	case err := <-w.ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
