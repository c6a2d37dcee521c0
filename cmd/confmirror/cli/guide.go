package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

// webhookURL is what to enter in the repository's settings.
func webhookURL(c *configs.Config) string { return web.WebhookURL(c.HTTP.PublicURL) }

// guide tells a person who started the daemon by hand where things are, and what
// to do next. A log that programs read is not mixed with prose.
func (p *Program) guide(ctx context.Context, c *configs.Config, database *db.DB, address, tokenFile string) {
	if c.Log.Format != "text" {
		return
	}
	mirrors, err := database.Mirrors(ctx)
	w := table(p.Stdout)
	fmt.Fprintf(w, "confmirror %s is running. Ctrl-C ends it.\n\n", p.versionInfo().Version)
	fmt.Fprintf(w, "  panel and API\thttp://%s\n", configs.Reachable(address))
	if tokenFile != "" {
		fmt.Fprintf(w, "  admin token\tin %s\n", tokenFile)
	} else {
		fmt.Fprintf(w, "  admin token\tas configured\n")
	}
	fmt.Fprintf(w, "  database\t%s\n  data\t%s\n", databaseName(c), c.DataDir)
	fmt.Fprintf(w, "  webhook\t%s\n", webhookURL(c))
	for _, m := range mirrors {
		fmt.Fprintf(w, "  organization\t%s\n", m.Organization)
	}
	w.Flush()
	fmt.Fprintln(p.Stdout)
	if err != nil || len(mirrors) > 0 {
		return // the log says soon enough what is wrong
	}
	flag := ""
	if p.configPath != "" {
		flag = " --config " + p.configPath
	}
	fmt.Fprintf(p.Stdout, `No organization is connected yet. Connect one in the panel, in a browser; or in another terminal:

  confmirror connect%s --organization ORGANIZATION --workspace WORKSPACE --repository REPOSITORY \
      --client-id KEY --client-secret-file FILE --webhook-secret-file FILE

or list it below "mirrors:" in the configuration file (%s), or use the API. The
webhook above is made by itself, or the log says what to enter in the repository's
settings. "confmirror demo" shows all of it on this machine alone.

`, flag, cmp.Or(c.Path, configs.DefaultPath))
	if host, _, err := net.SplitHostPort(configs.Reachable(address)); err == nil && document.Loopback(host) && c.HTTP.PublicURL == "http://"+configs.Reachable(c.HTTP.Listen) {
		fmt.Fprint(p.Stdout, "Bitbucket cannot reach a loopback address: set http.public_url to where it can, or\nrely on polling (sync.poll).\n\n")
	}
}
