package daemon_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// What people do to the branch.

// change writes the file to a path.
func (f treeFile) change(path string) bitbuckettest.Change {
	c := bitbuckettest.Write(path, f.text)
	if f.executable {
		c.Mode = bitbuckettest.ModeExecutable
	}
	return c
}

var ada = mirror.Signature{Name: "Ada", Email: "ada@example.com"}

// commitNow makes a commit and nothing else, so that it may be called while a run goes on.
func (h *history) commitNow(changes ...bitbuckettest.Change) {
	_, err := h.repo.Commit("main", ada, "By hand", changes...)
	h.must(err)
}

// commit stages changes, and commits them unless several operations become one commit.
func (h *history) commit(changes ...bitbuckettest.Change) {
	tree := h.branch()
	for _, c := range changes {
		if c.Delete {
			delete(tree, c.Path)
			maps.DeleteFunc(tree, func(path string, _ treeFile) bool { return strings.HasPrefix(path, c.Path+"/") })
		} else {
			tree[c.Path] = treeFile{string(c.Content), c.Mode == bitbuckettest.ModeExecutable}
		}
	}
	if h.staged = append(h.staged, changes...); !h.batch {
		h.commitNow(h.staged...)
		h.staged = nil
	}
}

// inOneCommit makes one commit of several operations.
func (h *history) inOneCommit(do func()) {
	if h.batch {
		do()
		return
	}
	h.batch = true
	h.say("git: begin")
	do()
	h.batch = false
	if len(h.staged) > 0 {
		h.commit()
	}
	h.say("git: commit")
}

// slugsOf lists the slugs of files that fit.
func (h *history) slugsOf(k *modelKind, is func(*file) bool) []string {
	files := h.files(k)
	maps.DeleteFunc(files, func(_ string, f *file) bool { return !is(f) })
	return slices.Sorted(maps.Keys(files))
}

// put writes a document to its path as a person does who likes tabs, or not.
func (h *history) put(k *modelKind, was, is doc) []bitbuckettest.Change {
	path := k.path(is["slug"])
	h.note(h.done.inFile, path, was, is)
	if k.skills() {
		return putSkill(path, was, is)
	}
	return []bitbuckettest.Change{bitbuckettest.Write(path, is.file(pick(h, "indent", []string{"\t", "  ", "    "})))}
}

func (h *history) editFile() {
	k := h.kind()
	slug := pick(h, "file", h.slugsOf(k, (*file).valid))
	if slug == "" {
		return
	}
	was := h.files(k)[slug].doc
	is := was
	for range h.between("places", 1, 2) {
		is = h.editPlace(k, is, nil, "git")
	}
	h.commit(h.put(k, was, is)...)
	h.say("git: edit %s: %v", k.path(slug), is)
}

// reformatFile changes a file's form only.
func (h *history) reformatFile() {
	k := h.kind()
	if slug := pick(h, "file", h.slugsOf(k, (*file).valid)); slug != "" {
		d := h.files(k)[slug].doc
		h.commit(h.put(k, d, d)...)
		h.say("git: reformat %s", k.path(slug))
	}
}

func (h *history) addFile() {
	if k, slug := h.kind(), h.slug(); h.files(k)[slug] == nil {
		h.addAt(k, slug)
	}
}

func (h *history) addAt(k *modelKind, slug string) {
	d := h.newDoc(k, "git", slug)
	if h.oneIn(2, "more") {
		d = h.editPlace(k, d, nil, "git")
	}
	h.commit(h.put(k, nil, d)...)
	h.say("git: add %s %v", k.path(slug), d)
}

func (h *history) removeFile() {
	k := h.kind()
	if slug := pick(h, "file", h.slugsOf(k, func(*file) bool { return true })); slug != "" {
		h.commit(bitbuckettest.Remove(k.path(slug)))
		h.done.forget(h.done.inFile, k.path(slug))
		h.say("git: remove %s", k.path(slug))
	}
}

func (h *history) renameFile() {
	k, to := h.kind(), h.slug()
	from := pick(h, "file", h.slugsOf(k, (*file).valid))
	if from == "" || h.files(k)[to] != nil {
		return
	}
	d := h.files(k)[from].doc.with("slug", to)
	if h.oneIn(3, "edit") {
		d = h.editPlace(k, d, nil, "git")
	}
	h.commit(append([]bitbuckettest.Change{bitbuckettest.Remove(k.path(from))}, h.put(k, nil, d)...)...)
	h.done.forget(h.done.inFile, k.path(from))
	h.say("git: rename %s to %s: %v", k.path(from), k.path(to), d)
}

// swapFiles lets two files swap their contents.
func (h *history) swapFiles() {
	k := h.kind()
	slugs := h.slugsOf(k, (*file).valid)
	if len(slugs) < 2 {
		return
	}
	a := pick(h, "file", slugs)
	b := pick(h, "other", slices.DeleteFunc(slugs, func(s string) bool { return s == a }))
	files := h.files(k)
	h.commit(append(h.put(k, files[b].doc, files[a].doc.with("slug", b)), h.put(k, files[a].doc, files[b].doc.with("slug", a))...)...)
	h.say("git: swap %s and %s", k.path(a), k.path(b))
}

// moveFile is the commonest slip: git mv, and the slug inside stays.
func (h *history) moveFile() {
	k, to := h.kind(), h.slug()
	from := pick(h, "file", h.slugsOf(k, (*file).valid))
	if from == "" || h.files(k)[to] != nil {
		return
	}
	changes := []bitbuckettest.Change{bitbuckettest.Remove(k.path(from))}
	for path, f := range h.branch() {
		if rest, ok := strings.CutPrefix(path, k.path(from)); ok {
			changes = append(changes, f.change(k.path(to)+rest))
		}
	}
	h.commit(changes...)
	h.done.forget(h.done.inFile, k.path(from))
	h.say("git: move %s to %s, slug unchanged", k.path(from), k.path(to))
}

func (h *history) breakFile() {
	k := h.kind()
	if slug := pick(h, "file", h.slugsOf(k, func(*file) bool { return true })); slug != "" {
		text := "{ " + h.mark("broken")
		h.commit(bitbuckettest.Write(k.mainPath(slug), text))
		h.done.forget(h.done.inFile, k.path(slug))
		h.say("git: break %s: %q", k.path(slug), text)
	}
}

// mendFile makes a bad file valid: its slug is set right, or it is written anew.
func (h *history) mendFile() {
	k := h.kind()
	slug := pick(h, "file", h.slugsOf(k, func(f *file) bool { return f.bad }))
	if slug == "" {
		return
	}
	d := h.files(k)[slug].doc
	if d["name"] == "" {
		d = h.newDoc(k, "git", slug)
	}
	d = d.with("slug", slug)
	h.commit(h.put(k, nil, d)...)
	h.say("git: mend %s: %v", k.path(slug), d)
}

// rewrite sets the branch back by some commits.
func (h *history) rewrite() {
	back := h.between("commits back", 1, 4)
	to := fmt.Sprintf("main~%d", back)
	if h.batch {
		return
	}
	if _, err := h.repo.Git("rev-parse", "-q", "--verify", to); err != nil {
		return
	}
	h.must(h.repo.ForcePush("main", to))
	h.say("git: the branch is set back by %d", back)
	h.rewritten()
}

// rewritten: what nobody has imported yet is gone with its commits.
func (h *history) rewritten() {
	h.tree = nil
	seen := h.inHistory() + h.inRows()
	maps.DeleteFunc(h.done.inFile, func(_, mark string) bool {
		return !strings.Contains(seen, mark) || strings.HasPrefix(mark, "both") // which is the database's as well
	})
}

// editAlike makes the same change on both sides.
func (h *history) editAlike() {
	k := h.kind()
	files := h.files(k)
	r := pick(h, "row", h.rowsThat(k, func(r *row) bool {
		return r.live() && files[r.slug].valid() && (!k.skills() || r.doc["description"] != "")
	}))
	if r == nil {
		return
	}
	key, mark := pick(h, "key", k.texts), h.mark("both")
	h.write(k, r, r.doc.with(key, mark), r.secrets)
	was := files[r.slug].doc
	h.commit(h.put(k, was, was.with(key, mark))...)
	h.say("git: edit %s alike: %s=%s", k.path(r.slug), key, mark)
}

// editFileNow edits a file while a run goes on: what is staged is not committed with it.
func (h *history) editFileNow() {
	h.tree = nil
	k := h.kinds[0]
	slug := first(h.slugsOf(k, (*file).valid))
	if slug == "" {
		return
	}
	was := h.files(k)[slug].doc
	is := was.with("x-race", h.mark("race"))
	h.done.inFile[k.path(slug)+" x-race"] = is["x-race"]
	h.commitNow(bitbuckettest.Write(k.path(slug), is.file("  ")))
	h.tree = nil
	h.say("git: edit %s: %v", k.path(slug), is)
}
