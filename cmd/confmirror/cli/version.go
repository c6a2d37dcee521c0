package cli

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what `version --json` prints.
type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"` // built from a tree with uncommitted changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *Program) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long:  "Print the version, the commit it was built from, and the Go release that built it.",
		Args:  cobra.NoArgs,
		RunE: p.work(func(context.Context, []string) error {
			v := p.versionInfo()
			if asJSON {
				return p.printJSON(v)
			}
			fmt.Fprintf(p.Stdout, "confmirror %s\ncommit    %s\ngo        %s %s\n", v.Version, cmp.Or(v.Commit, "unknown"), v.Go, v.Platform)
			return nil
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *Program) versionInfo() versionInfo {
	v := versionInfo{Version: p.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		v.Version = cmp.Or(v.Version, "devel")
		return v
	}
	if v.Version == "" && build.Main.Version != "(devel)" {
		v.Version = build.Main.Version // set by go install
	}
	v.Version = cmp.Or(v.Version, "devel")
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
