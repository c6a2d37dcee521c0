package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema KIND",
		Short: "Print the JSON Schema of a kind's files, for editors",
		Long: `Print the JSON Schema (2020-12) of one kind's files: ` + strings.Join(kindNames(), ", ") + `.
For skills it describes the frontmatter of SKILL.md.

Editors complete and check with it what is typed. It is made from the rules that
an import applies and refuses nothing that an import takes; what a schema cannot say,
such as whether a toolkit's servers exist, "confmirror validate" finds.`,
		Example: `  confmirror schema toolkits >.schemas/toolkits.json
  confmirror schema mcp-servers`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: kindNames(),
		RunE: p.work(func(_ context.Context, args []string) error {
			kind := document.Kind(args[0])
			if !kind.Valid() {
				return misuse("there is no kind %q: expected %s", kind, strings.Join(kindNames(), ", "))
			}
			_, err := p.Stdout.Write(document.JSONSchema(kind))
			return err
		}),
	}
}

func kindNames() []string {
	names := make([]string, len(document.Kinds))
	for i, kind := range document.Kinds {
		names[i] = string(kind)
	}
	return names
}
