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

// write asks whether pushes are taken: by the repository, and by the branches that changes go
// to, as far as a push tells that cannot succeed.
func (p *probe) write(ctx context.Context) (web.TestStep, error) {
	if err := clone.ProbePush(ctx, p.settings.CloneURL(), p.remote.credentials, p.connector.git); err != nil {
		return web.TestStep{}, err
	}
	branch := p.mirrored()
	head := p.refs.Branches[branch]
	if _, restricted := p.lost["rules"]; head == "" || restricted {
		return said("The credentials may push to the repository."), nil
	}
	if p.settings.Push == mirror.PushPullRequest {
		return p.takesProposals(ctx, head, "")
	}
	step, err := p.takes(ctx, branch, head)
	if f, told := errors.AsType[*mirror.Fault](err); told && f.Code == mirror.CodeBranchRestricted && p.settings.Push == mirror.PushAuto {
		return p.takesProposals(ctx, head, "The branch "+branch+" takes no direct pushes. ")
	}
	return step, err
}

// takes asks whether a branch takes pushes.
func (p *probe) takes(ctx context.Context, branch string, head mirror.Hash) (web.TestStep, error) {
	err := clone.TryPush(ctx, p.settings.CloneURL(), branch, head, p.remote.credentials, p.connector.git)
	f, told := errors.AsType[*mirror.Fault](err)
	switch {
	case told && f.Code == mirror.CodePushRefused: // by a hook that may judge what confmirror writes in another way
		return remark("The credentials may push to the repository. A push to the branch "+branch+" that was only tried: "+f.Message, f.Remedy), nil
	case told && f.Class == mirror.Transient: // not every server may be able to answer such a push
		return said("The credentials may push to the repository. Whether the branch %s takes it shows with the first push: %s", branch, f.Message), nil
	}
	return said("The credentials may push to the branch %s.", branch), err
}

// takesProposals asks whether changes can be pushed to where pull requests are made from.
func (p *probe) takesProposals(ctx context.Context, head mirror.Hash, why string) (web.TestStep, error) {
	step, err := p.takes(ctx, mirror.ProposalBranch, head)
	step.Message = why + step.Message + " Changes go from there into a pull request."
	if f, told := errors.AsType[*mirror.Fault](err); told && f.Code == mirror.CodeBranchRestricted {
		refused := *f
		refused.Message = why + "Changes cannot be proposed from " + mirror.ProposalBranch + ": " + f.Message
		refused.Remedy = "Let everybody with write access create and write the branch " + mirror.ProposalBranch + "."
		return step, &refused
	}
	return step, err
}
