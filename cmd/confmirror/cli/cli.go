// Package cli is confmirror's command line: one file for each command.
//
// A command prints its result on stdout, and on stderr what went wrong, the log,
// and how far it is. Its exit status tells the truth (see exit.go); nothing else
// ends the process.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/db"
)

// Main runs the program on the process's arguments and returns its exit status.
func Main(version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // of a daemon that mostly waits, memory counts more than time
	}
	p := &Program{
		Version: version,
		Stdin:   os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(),
	}
	return p.Run(ctx, os.Args[1:])
}

// Program is one run of confmirror.
type Program struct {
	Version string // what the linker was told; "" asks the build
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string // "NAME=value"

	configPath string
	verbose    bool
	started    bool // a command's own work has begun: its errors are no misuse
}

// Run carries out one command line.
func (p *Program) Run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !p.started {
		err = &usageError{err}
	}
	p.explain(err)
	return exitStatus(err)
}

const (
	groupRun  = "run"
	groupLook = "look"
	groupAct  = "act"
)

func (p *Program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "confmirror",
		Short: "Keep an organization's configuration identical in a database and in a Bitbucket repository",
		Long: `confmirror keeps an organization's configuration (toolkits, commands, MCP servers
and clients, skills) identical in a database and on one branch of a Bitbucket
repository. Edits on either side reach the other within seconds.

Exit status, of every command:
  0  done
  1  failed
  2  wrong usage or configuration
  3  done, but entities have errors or conflicts (plan: there is something to do)
  4  blocked or held: a person has to decide or to mend something`,
		Example: `  confmirror demo                       try everything, on this machine alone
  confmirror serve                      run the daemon with defaults
  confmirror connect --help             connect an organization to a repository
  confmirror status                     see how the mirrors are`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.PersistentFlags().StringVarP(&p.configPath, "config", "c", "", "configuration `file` (default: $CONFMIRROR_CONFIG, or ./confmirror.yaml if it is there)")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log on stderr what is done")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Running:"},
		&cobra.Group{ID: groupLook, Title: "Looking:"},
		&cobra.Group{ID: groupAct, Title: "Deciding:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRun, p.demoCommand(), p.serveCommand(), p.syncCommand(), p.connectCommand(), p.migrateCommand())
	add(groupLook, p.statusCommand(), p.planCommand(), p.checkCommand(), p.conflictsCommand(), p.validateCommand(), p.schemaCommand())
	add(groupAct, p.pauseCommand(), p.resumeCommand(), p.approveCommand(), p.discardCommand(), p.exportCommand(), p.importCommand())
	root.AddCommand(p.versionCommand(), p.healthcheckCommand())
	root.SetHelpCommand(p.helpCommand(root))
	addCompletion(root)
	return root
}

// helpCommand is cobra's, but an unknown topic is a wrong usage.
func (p *Program) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			command, _, err := root.Find(args)
			if err != nil {
				return err
			}
			command.InitDefaultHelpFlag()
			return command.Help()
		},
	}
}

// work wraps a command's function: from here on an error is a failure, no misuse.
func (p *Program) work(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		p.started = true
		return f(db.As(c.Context(), "command line"), args)
	}
}
