package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon",
		Long: `Run the daemon: it answers webhooks and the API, and keeps every connected
organization's configuration identical in the database and on its branch.

Without any configuration it uses an embedded database in ./confmirror-data, makes
its keys there, and listens on 127.0.0.1:8080. A database that is down is waited
for. A changed configuration file, or file with a secret that it names, is taken up
while it runs; SIGHUP has them read at once. SIGTERM and SIGINT end it within 10
seconds: what is under way is finished or undone.`,
		Example: `  confmirror serve
  confmirror serve --config /etc/confmirror/confmirror.yaml
  CONFMIRROR_DATABASE_URL=postgres://confmirror@db/app confmirror serve`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.serve(ctx) }),
	}
}

func (p *Program) serve(ctx context.Context) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	r := p.newReloader(c)
	defer r.stop()
	log := r.log
	listener, err := listen(ctx, c)
	if err != nil {
		return err
	}
	database, err := openPatiently(ctx, c, log, listener)
	if err != nil {
		listener.Close()
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return err
	}
	defer database.Close()
	return p.serveOn(ctx, c, r, listener, database)
}

func listen(ctx context.Context, c *configs.Config) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", c.HTTP.Listen)
	if err != nil {
		return nil, hint(fmt.Errorf("http.listen: %w", err), "end what listens there, or choose another address: http.listen, or CONFMIRROR_HTTP_LISTEN=127.0.0.1:8081")
	}
	return listener, nil
}

// serveOn runs the daemon on an open database until ctx ends.
func (p *Program) serveOn(ctx context.Context, c *configs.Config, r *reloader, listener net.Listener, database *db.DB) error {
	log := r.log
	token, tokenFile, err := adminToken(ctx, c, database, log)
	if err != nil {
		listener.Close()
		return err
	}
	system := newSystemd(log)
	defer context.AfterFunc(ctx, func() {
		log.Info("stopping")
		system.stopping()
	})()
	var d *daemon.Daemon
	d = daemon.New(daemon.Options{
		Config: c, DB: database, AdminToken: token, Logger: log, Version: p.versionInfo().Version, Listener: listener,
		Ready: func(address string) {
			log.Info("serving", "version", p.versionInfo().Version, "address", address, "config", cmp.Or(c.Path, "none"),
				"database", databaseName(c), "data_dir", c.DataDir, "admin_token_file", tokenFile)
			p.guide(ctx, c, database, address, tokenFile)
			system.ready(ctx, d.Alive)
		},
	})
	during, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	wg.Go(func() { r.run(during, d, database) })
	err = d.Run(ctx)
	end()
	wg.Wait()
	if err != nil && ctx.Err() == nil {
		return err
	}
	log.Info("stopped")
	return nil
}

func databaseName(c *configs.Config) string {
	if c.Database.URL.IsZero() {
		return "embedded SQLite"
	}
	return "PostgreSQL"
}

// openPatiently opens the database, and waits for one that does not answer.
// Meanwhile requests are answered: alive, but not ready.
func openPatiently(ctx context.Context, c *configs.Config, log *slog.Logger, listener net.Listener) (*db.DB, error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 500*time.Millisecond, 30*time.Second
	for first := true; ; first = false {
		database, err := openDatabase(ctx, c, log)
		if err == nil {
			return database, nil
		}
		var fault *mirror.Fault
		if ctx.Err() != nil || !errors.As(err, &fault) || fault.Class == mirror.Permanent {
			return nil, err
		}
		if first {
			defer stayAlive(listener)()
		}
		wait := pause.NextBackOff()
		log.Error(fault.Message, "code", fault.Code, "cause", fault.Err, "hint", fault.Remedy, "again_in", wait.Round(time.Millisecond))
		newSystemd(log).waiting("waiting for the database")
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}
