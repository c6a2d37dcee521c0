package daemon_test

import (
	"cmp"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// leaf is an entry of a tree as git's tools would not write it: a file that holds
// content, or what id names.
type leaf struct {
	mode, name string
	id         string
	content    string
}

// object writes an object into the remote's repository, malformed or not.
func (w *world) object(kind, content string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "object")
	w.must(os.WriteFile(file, []byte(content), 0o600))
	id, err := w.repo.Git("hash-object", "-t", kind, "-w", "--literally", file)
	w.must(err)
	return strings.TrimSpace(id)
}

// tree writes a tree of just these entries, in this order.
func (w *world) tree(leaves ...leaf) string {
	w.t.Helper()
	var raw strings.Builder
	for _, l := range leaves {
		if l.id == "" {
			l.id = w.object("blob", l.content)
		}
		id, err := hex.DecodeString(l.id)
		w.must(err)
		raw.WriteString(cmp.Or(l.mode, "100644") + " " + l.name + "\x00" + string(id))
	}
	return w.object("tree", raw.String())
}

// sorted is a tree of these entries in git's order.
func (w *world) sorted(leaves ...leaf) string {
	w.t.Helper()
	key := func(l leaf) string {
		if strings.HasSuffix(l.mode, "40000") {
			return l.name + "/"
		}
		return l.name
	}
	slices.SortStableFunc(leaves, func(a, b leaf) int { return strings.Compare(key(a), key(b)) })
	return w.tree(leaves...)
}

// plant commits the branch's tree with something else at a path, on top of whatever
// the branch is by then.
func (w *world) plant(path string, mode, id string) {
	w.t.Helper()
	head, err := w.repo.Head("main")
	w.must(err)
	var replace func(tree string, steps []string) string
	replace = func(tree string, steps []string) string {
		var leaves []leaf
		below := ""
		for _, l := range w.leaves(tree) {
			if l.name == steps[0] {
				below = l.id
			} else {
				leaves = append(leaves, l)
			}
		}
		here := leaf{mode: mode, name: steps[0], id: id}
		if len(steps) > 1 {
			here = leaf{mode: "40000", name: steps[0], id: replace(below, steps[1:])}
		}
		return w.sorted(append(leaves, here)...)
	}
	base, parents := "", []string(nil)
	if head != "" {
		base, parents = string(head)+"^{tree}", []string{"-p", string(head)}
	}
	made, err := w.repo.Git(append([]string{"commit-tree", replace(base, strings.Split(path, "/")), "-m", "Hostile"}, parents...)...)
	w.must(err)
	if !w.setMain(strings.TrimSpace(made), string(head)) {
		w.plant(path, mode, id) // the daemon was faster
	}
}

// setMain moves the branch from one commit to another; false if it was not there.
func (w *world) setMain(to, from string) bool {
	w.t.Helper()
	_, err := w.repo.Git("update-ref", "refs/heads/main", to, cmp.Or(from, strings.Repeat("0", 40)))
	return err == nil
}

// leaves are a tree's entries; "" has none.
func (w *world) leaves(tree string) (leaves []leaf) {
	w.t.Helper()
	if tree == "" {
		return nil
	}
	list, err := w.repo.Git("ls-tree", "-z", tree)
	w.must(err)
	for line := range strings.SplitSeq(list, "\x00") {
		head, name, _ := strings.Cut(line, "\t")
		if fields := strings.Fields(head); len(fields) == 3 {
			leaves = append(leaves, leaf{mode: strings.TrimPrefix(fields[0], "0"), name: name, id: fields[2]})
		}
	}
	return leaves
}

// status is what git finds to differ between the clone and the branch. (Its fsck
// would tell of the trees, which are hostile on purpose.)
func (w *world) status() string {
	w.t.Helper()
	want, err := w.repo.Head("main")
	w.must(err)
	if head := w.cloneGit("rev-parse", "HEAD"); head != string(want) {
		w.t.Errorf("the clone is at %s, the branch at %s", head, want)
	}
	return w.cloneGit("-c", "core.quotePath=false", "status", "--porcelain")
}

func (w *world) wantClean() {
	w.t.Helper()
	if status := w.status(); status != "" {
		w.t.Errorf("git status:\n%.2000s", status)
	}
}

// wantRejected compares the files without entity, and that each is told whole.
func (w *world) wantRejected(kind string, want map[string]string) {
	w.t.Helper()
	got := w.rejected(kind)
	for path, code := range want {
		if got[path] != code {
			w.t.Errorf("%.80q: %q, want %s", path, got[path], code)
		}
	}
	for path, code := range got {
		if want[path] == "" {
			w.t.Errorf("%.80q is rejected: %s", path, code)
		}
	}
	for _, item := range w.get(kind)["rejected"].([]any) {
		r := item.(map[string]any)
		problem := r["error"].(map[string]any)
		status := 400.
		if problem["code"] == "FETCH_FAILED" {
			status = 500
		}
		if message := problem["message"].(string); problem["http_code"] != status || message == "" || len(message) > 2000 || strings.ContainsAny(message, "\x00\x1b\n") ||
			problem["commit"] == nil || problem["detected_at"] == nil || problem["path"] == nil {
			w.t.Errorf("%.80q: %v", r["path"], problem)
		}
	}
}
