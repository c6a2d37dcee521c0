package daemon

import (
	"context"
	"errors"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
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
	if p.refs.Empty {
		return said("These credentials may not read restrictions: whether the branch %s has one shows with the first push.", branch), nil
	}
	return said("These credentials may not read restrictions: whether the branch %s has one is tried next.", branch), nil
}

// write asks whether pushes are taken: by the repository, and by the branch as far as a
// push tells that cannot succeed.
func (p *probe) write(ctx context.Context) (web.TestStep, error) {
	at, credentials, client := p.settings.CloneURL(), p.remote.credentials, p.connector.git
	if err := clone.ProbePush(ctx, at, credentials, client); err != nil {
		return web.TestStep{}, err
	}
	branch := p.mirrored()
	head := p.refs.Branches[branch]
	if _, restricted := p.lost["rules"]; head == "" || restricted {
		return said("The credentials may push to the repository."), nil
	}
	err := clone.TryPush(ctx, at, branch, head, credentials, client)
	f, told := errors.AsType[*mirror.Fault](err)
	switch {
	case told && f.Code == mirror.CodeBranchRestricted && p.settings.Push != mirror.PushDirect:
		return said("The credentials may push to the repository, and the branch %s takes no direct pushes: changes go into a pull request.", branch), nil
	case told && f.Code == mirror.CodePushRefused: // by a hook that may judge what confmirror writes in another way
		return remark("The credentials may push to the repository. A push to the branch "+branch+" that was only tried: "+f.Message, f.Remedy), nil
	case told && f.Class == mirror.Transient: // not every server may be able to answer such a push
		return said("The credentials may push to the repository. Whether the branch %s takes it shows with the first push: %s", branch, f.Message), nil
	}
	return said("The credentials may push to the branch %s.", branch), err
}
