package main_test

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// judge lets everything settle, with each daemon's data directory in turn, and
// compares.
func (k *killWorld) judge() {
	k.t.Helper()
	for _, home := range k.homes {
		k.settle(home)
		k.judgeClone(home)
	}
	files := k.files()
	for _, s := range k.subjects {
		s.judge(files)
	}
	for _, s := range k.standing {
		s.judge(files)
	}
	k.judgeConflicts()
	k.judgeHistory()
	k.judgeRemote()
	if k.t.Failed() {
		history, _ := k.repo.Git("log", "-20", "--stat", "--format=%h %cd %an: %B", "main")
		k.t.Fatalf("since the last judgement:\n%s\n%s", k.told.String(), history)
	}
	k.told.Reset()
}

// settle runs the mirror until nothing is left to do.
func (k *killWorld) settle(home string) {
	k.t.Helper()
	k.expire()
	for attempt := 1; ; attempt++ {
		out, code, err := k.run(home, "sync")
		if code == 0 || code == 3 { // conflicts are judged one by one
			break
		}
		if code == 4 { // in the long run more is deleted in an hour than there is
			_, _, err = k.run(home, "approve")
		}
		if attempt == 5 {
			k.t.Fatalf("the last sync: %v\n%s", err, out)
		}
	}
	if out, _, err := k.run(home, "plan"); err != nil {
		k.t.Errorf("something is left to do: %v\n%s", err, out)
	}
	if n := k.query("SELECT count(*) FROM rejected_files"); n != "0" {
		k.t.Errorf("%s files were rejected, and none was bad", n)
	}
}

// judgeClone has git judge a clone, and looks for what kills may leave behind.
func (k *killWorld) judgeClone(home string) {
	k.t.Helper()
	dir := filepath.Join(home, "clones", "acme")
	if out, err := k.gitIn(dir, "status", "--porcelain"); err != nil || out != "" {
		k.t.Errorf("git status: %v\n%s", err, out)
	}
	if out, err := k.gitIn(dir, "fsck", "--strict", "--no-dangling"); err != nil {
		k.t.Errorf("git fsck: %v\n%s", err, out)
	}
	head, err := k.repo.Head("main")
	k.must(err)
	if out, err := k.gitIn(dir, "rev-parse", "HEAD"); err != nil || out != string(head) {
		k.t.Errorf("HEAD is %s (%v), the branch is %s", out, err, head)
	}
	packs := 0
	k.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".lock"), strings.Contains(name, "tmp-"), strings.Contains(name, "tmp_"), strings.HasPrefix(name, "checkout-"):
			k.t.Errorf("left behind: %s", path)
		case strings.HasSuffix(name, ".pack"):
			packs++
		}
		return nil
	}))
	if packs > 60 { // more than 50 are merged
		k.t.Errorf("%d packs have piled up", packs)
	}
}

// judgeConflicts: nobody changed the same place on both sides. What an import replaces
// in the run that finds the branch set back is kept, whatever it is.
func (k *killWorld) judgeConflicts() {
	k.t.Helper()
	rows, err := k.sql.QueryContext(k.t.Context(), "SELECT slug, reason, base, database, git FROM conflicts WHERE reason <> 'history_rewritten'")
	k.must(err)
	defer rows.Close()
	for rows.Next() {
		var slug, reason string
		var base, database, git *string
		k.must(rows.Scan(&slug, &reason, &base, &database, &git))
		if !slices.ContainsFunc(k.retired, func(stem string) bool { return strings.HasPrefix(slug, stem) }) {
			k.t.Errorf("a conflict where nobody changed the same place: %s, %s\n%s\n%s\n%s", slug, reason, text(base), text(database), text(git))
		}
	}
	k.must(rows.Err())
}

func text(s *string) string {
	if s == nil {
		return "nothing"
	}
	return *s
}

// judgeHistory: no commit is empty.
func (k *killWorld) judgeHistory() {
	k.t.Helper()
	out, err := k.repo.Git("log", "--no-merges", "--format=%x00%H %s", "--name-only", "main")
	k.must(err)
	for entry := range strings.SplitSeq(out, "\x00") {
		if commit, names, _ := strings.Cut(strings.TrimSpace(entry), "\n"); commit != "" && strings.TrimSpace(names) == "" {
			k.t.Errorf("empty commit %s", commit)
		}
	}
}

// judgeRemote: the repository is sound, and no object in it, reachable or not, holds a
// secret.
func (k *killWorld) judgeRemote() {
	k.t.Helper()
	if out, err := k.repo.Git("fsck", "--strict", "--no-dangling"); err != nil {
		k.t.Errorf("git fsck of the remote: %v\n%s", err, out)
	}
	all, err := k.repo.Git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)", "--unordered")
	k.must(err)
	var fresh strings.Builder
	for line := range strings.Lines(all) {
		kind, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind != "tree" && !k.seen[id] {
			k.seen[id] = true
			fresh.WriteString(id + "\n")
		}
	}
	cmd := exec.CommandContext(k.t.Context(), "git", "-C", k.repo.Dir(), "cat-file", "--batch", "--buffer")
	cmd.Stdin = strings.NewReader(fresh.String())
	contents, err := cmd.Output()
	k.must(err)
	k.discreet(string(contents))
}

// once: each of the files was committed one time, whoever was killed meanwhile.
func (k *killWorld) once(stem string) {
	k.t.Helper()
	out, err := k.repo.Git("log", "--format=", "--name-only", "main")
	k.must(err)
	times := map[string]int{}
	for path := range strings.FieldsSeq(out) {
		if strings.HasPrefix(path, stem) {
			times[path]++
		}
	}
	for path, n := range times {
		if n != 1 {
			k.t.Errorf("%s was committed %d times", path, n)
		}
	}
}
