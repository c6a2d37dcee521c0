package daemon

import (
	"context"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
)

// rules asks whether the branch takes our pushes, as far as the credentials let us know.
// Only whoever may push directly alone is stopped by a branch that does not.
func (p *probe) rules(ctx context.Context, host mirror.Restrictions) (web.TestStep, error) {
	branch := p.mirrored()
	rules, err := host.BranchRules(ctx, branch)
	switch {
	case err != nil:
		return said("Whether the branch %s is restricted could not be asked. %s", branch, mirror.AsFault(err).Message), nil
	case rules.PushRestricted && p.settings.Push == mirror.PushDirect:
		return web.TestStep{}, &mirror.Fault{
			Code:    mirror.CodeBranchRestricted,
			Message: "The branch " + branch + " takes no direct pushes: there is a restriction, " + rules.Rule + ".",
			Remedy:  "Set push to auto or pull-request, lift the restriction, or mirror another branch. Consumers and tokens cannot be put on a restriction's list in Bitbucket Cloud.",
			Class:   mirror.Permanent,
		}
	case rules.PushRestricted:
		return said("The branch %s takes no direct pushes (%s): changes go into a pull request.", branch, rules.Rule), nil
	case rules.Known:
		return said("No restriction keeps pushes from the branch %s.", branch), nil
	}
	return said("These credentials may not read restrictions: whether the branch %s has one shows with the first push.", branch), nil
}
