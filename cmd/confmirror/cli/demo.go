package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *Program) demoCommand() *cobra.Command {
	var once bool
	var address string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try everything, on this machine alone",
		Long: `Start a whole world in one process: a stand-in for Bitbucket with a repository, an
embedded database with a sample organization, and the daemon that mirrors the two.
It prints where to look and what to try, and runs until Ctrl-C; nothing is left
behind. The only thing it needs is the git program.

With --once it plays a scripted round trip instead, says what it sees at each step,
and ends with status 0 or 1.

No configuration is read: the demo never touches a real database or repository.`,
		Example: `  confmirror demo
  confmirror demo --once`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.demo(ctx, once, address) }),
	}
	c.Flags().BoolVar(&once, "once", false, "play a scripted round trip and end")
	c.Flags().StringVar(&address, "listen", demoAddress, "`address` of the API; a free one if it is taken")
	return c
}

// demoAddress is where people look for the API.
const demoAddress = "127.0.0.1:8080"

func (p *Program) demo(ctx context.Context, once bool, address string) error {
	if _, err := exec.LookPath("git"); err != nil {
		return hint(fmt.Errorf("the demo's stand-in for Bitbucket needs the git program: %w", err),
			"install it, for instance with `apt install git`; the daemon itself needs none")
	}
	if once {
		return p.demoOnce(ctx)
	}
	w, err := newWorld(ctx, worldOptions{
		listen: address, log: newFriendlyLog(p.Stdout), version: p.versionInfo().Version,
	})
	if err != nil && ctx.Err() != nil { // somebody changed their mind
		fmt.Fprintln(p.Stdout, "The demo ends before it began.")
		return nil
	}
	if err != nil {
		return err
	}
	p.showWorld(w)
	select {
	case <-ctx.Done():
		fmt.Fprintln(p.Stdout, "\nThe demo ends, and takes its world with it.")
	case err = <-w.ended:
	}
	return firstError(err, w.close())
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// myself is how a person started this program, to be copied into a terminal.
func myself() string {
	path, err := os.Executable()
	if err != nil || strings.Contains(path, "go-build") {
		return "go run ./cmd/confmirror"
	}
	if found, err := exec.LookPath("confmirror"); err == nil {
		if a, errA := os.Stat(found); errA == nil {
			if b, errB := os.Stat(path); errB == nil && os.SameFile(a, b) {
				return "confmirror"
			}
		}
	}
	return path
}

// showWorld prints where to look and what to try.
func (p *Program) showWorld(w *world) {
	api := w.url() + "/api/v1/organizations/" + demoOrganization
	auth := fmt.Sprintf(`-H "Authorization: Bearer $(cat %s)"`, w.tokenFile)
	t := table(p.Stdout)
	fmt.Fprintf(t, "A whole world is running in this process:\n\n")
	fmt.Fprintf(t, "  panel and API\t%s\n", w.url())
	fmt.Fprintf(t, "  admin token\tin %s\n", w.tokenFile)
	fmt.Fprintf(t, "  repository\t%s\n", w.repo.CloneURL())
	fmt.Fprintf(t, "  database\t%s\n", w.databaseFile())
	fmt.Fprintf(t, "  the daemon's clone\t%s\n", w.clone())
	fmt.Fprintf(t, "  configuration\t%s\n", w.configPath)
	t.Flush()
	fmt.Fprintf(p.Stdout, `
Open the panel in a browser and sign in with the admin token. In another terminal:

  # Edit in git, and see it arrive in the database.
  git clone %[1]s acme
  sed -i 's/"Triage issues"/"Sort issues"/' acme/commands/triage-issue.json
  git -C acme commit -qam 'Say sort' && git -C acme push
  curl -s %[2]s %[3]s/commands/triage-issue

  # Edit in the database, and see it arrive in git.
  curl -s -X PUT %[2]s %[3]s/commands/release-notes \
      -d '{"slug":"release-notes","name":"Release notes","prompt":"List what changed, in one page."}'
  git -C acme pull && cat acme/commands/release-notes.json

  # Break a file, and see who is told.
  echo '{' >acme/toolkits/data-analyst.json
  git -C acme commit -qam 'Oops' && git -C acme push
  %[4]s status --config %[5]s

  # What would a run do? What is kept of conflicts?
  %[4]s plan --config %[5]s
  %[4]s conflicts --config %[5]s
`, w.repo.CloneURL(), auth, api, myself(), w.configPath)
	if path, err := exec.LookPath("sqlite3"); err == nil {
		fmt.Fprintf(p.Stdout, `
  # Any program may write to the database.
  %s %s "INSERT INTO toolkits (organization_id, slug, name) SELECT id, 'from-sql', 'From SQL' FROM organizations"
`, path, w.databaseFile())
	}
	fmt.Fprintf(p.Stdout, "\nWhat happens shows below. Ctrl-C ends it.\n\n")
}

// demoDeadline bounds the wait for what the daemon does by itself.
const demoDeadline = 20 * time.Second
