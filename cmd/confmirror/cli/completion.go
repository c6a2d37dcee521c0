package cli

import "github.com/spf13/cobra"

// addCompletion adds cobra's completion command. An unknown shell is a wrong usage with it, as
// elsewhere: help with exit status 0 would be sourced as a script.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return // the root has no commands
	}
	completion.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
}
