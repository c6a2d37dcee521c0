package daemon

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

// testLimit bounds a whole connection test.
const testLimit = 30 * time.Second

// Test tries a connection step by step: token, repository, branch, write
// permission. It changes nothing, and stops at the first step that fails.
func (e engine) Test(ctx context.Context, s mirror.Settings) web.TestResult {
	return e.connector.Test(ctx, s)
}

// Test is the connection test.
func (c *Connector) Test(ctx context.Context, s mirror.Settings) web.TestResult {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	t := &probe{result: web.TestResult{OK: true, Steps: []web.TestStep{}}}
	r, err := c.remote(s)
	if !t.step("settings", "The settings can be used.", err) {
		return t.result
	}
	if r.credentials != nil {
		_, _, err := r.credentials.Basic(ctx, false)
		if !t.step("token", "The credentials are accepted.", err) {
			return t.result
		}
	}
	var repository mirror.Repository
	if r.host != nil {
		repository, err = r.host.Repository(ctx)
		if !t.step("repository", "The repository "+repository.FullName+" is there.", err) {
			return t.result
		}
	}
	refs, err := clone.ListRefs(ctx, s.CloneURL(), r.credentials, c.git)
	if !t.step("git", "The repository can be read over git.", err) {
		return t.result
	}
	branch := cmp.Or(s.Branch, repository.MainBranch, refs.HEAD, "main")
	if !t.step("branch", branchMessage(branch, refs), branchFault(branch, refs)) {
		return t.result
	}
	err = clone.ProbePush(ctx, s.CloneURL(), r.credentials, c.git)
	t.step("write", "The credentials may push. (A branch restriction shows with the first push only.)", err)
	return t.result
}

func branchMessage(branch string, refs clone.Refs) string {
	if refs.Empty {
		return fmt.Sprintf("The repository is empty: the first push creates the branch %s.", branch)
	}
	return fmt.Sprintf("The branch %s is there.", branch)
}

func branchFault(branch string, refs clone.Refs) error {
	if _, ok := refs.Branches[branch]; ok || refs.Empty {
		return nil
	}
	return &mirror.Fault{
		Code:    mirror.CodeBranchNotFound,
		Message: fmt.Sprintf("The branch %q does not exist in the repository.", branch),
		Remedy:  "Create the branch, or name another one.",
		Class:   mirror.Permanent,
	}
}

// probe collects the steps of a test.
type probe struct{ result web.TestResult }

func (t *probe) step(name, success string, err error) bool {
	if err == nil {
		t.result.Steps = append(t.result.Steps, web.TestStep{Name: name, OK: true, Message: success})
		return true
	}
	f := mirror.AsFault(err)
	t.result.Steps = append(t.result.Steps, web.TestStep{Name: name, Code: f.Code, Message: f.Message, Remedy: f.Remedy})
	t.result.OK, t.result.Code, t.result.Message = false, f.Code, f.Message
	return false
}
