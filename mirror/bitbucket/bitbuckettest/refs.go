package bitbuckettest

import (
	"io"
	"maps"
	"slices"
	"strings"
)

// refChange is one ref that moved; "" stands for none.
type refChange struct{ ref, old, new string }

func (r *Repo) git(stdin io.Reader, args ...string) (string, error) {
	ctx := r.server.ctx
	return r.server.git.run(ctx, r.dir, stdin, args...)
}

// readRefs reads branches and tags.
func (r *Repo) readRefs() (map[string]string, error) {
	out, err := r.git(nil, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
	if err != nil {
		return nil, err
	}
	refs := make(map[string]string)
	for line := range strings.Lines(out) {
		hash, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		refs[ref] = hash
	}
	return refs, nil
}

// update runs what moves refs, then does what Bitbucket does after a push.
// Comparing the refs before and after needs no word from a hook script, so it
// sees direct commits and pushes alike.
func (r *Repo) update(by *principal, move func() error) error {
	r.refs.Lock()
	defer r.refs.Unlock()
	before, err := r.readRefs()
	if err != nil {
		return err
	}
	moveErr := move()
	after, err := r.readRefs()
	if err != nil {
		return err
	}
	changes := compareRefs(before, after)
	if len(changes) == 0 {
		return moveErr
	}
	if err := r.adoptMainBranch(changes); err != nil {
		return err
	}
	if err := r.announce(by, changes, before); err != nil {
		return err
	}
	if err := r.followPulls(by, changes); err != nil {
		return err
	}
	return moveErr
}

func compareRefs(before, after map[string]string) []refChange {
	all := maps.Clone(before)
	maps.Copy(all, after)
	var changes []refChange
	for _, ref := range slices.Sorted(maps.Keys(all)) {
		if before[ref] != after[ref] {
			changes = append(changes, refChange{ref, before[ref], after[ref]})
		}
	}
	return changes
}

// adoptMainBranch makes the first branch pushed the main one: "main" when it is among several.
func (r *Repo) adoptMainBranch(changes []refChange) error {
	if r.MainBranch() != "" {
		return nil
	}
	first := ""
	for _, c := range changes {
		name, ok := strings.CutPrefix(c.ref, "refs/heads/")
		if ok && c.new != "" && (first == "" || name == "main") {
			first = name
		}
	}
	if first == "" {
		return nil
	}
	return r.SetMainBranch(first)
}
