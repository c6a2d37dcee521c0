package bitbuckettest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Modes of tree entries.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeSymlink    = "120000"
	ModeSubmodule  = "160000"
)

// Change is one path of a commit.
type Change struct {
	Path    string
	Mode    string // "" is ModeFile
	Content []byte // a symlink's target, a submodule's commit
	Delete  bool   // the file, or the directory with all below it; Path "" is everything
	// Edit, if set, makes the content of what the branch has there; no push comes between.
	Edit func(was []byte) []byte
}

// Write puts a regular file.
func Write(path, content string) Change { return Change{Path: path, Content: []byte(content)} }

// Edit changes a regular file as the branch has it.
func Edit(path string, edit func(was []byte) []byte) Change { return Change{Path: path, Edit: edit} }

// Remove deletes a file or a directory.
func Remove(path string) Change { return Change{Path: path, Delete: true} }

// Commit makes a commit on a branch, as a person who edits on the web does: no
// rule holds it up, webhooks are told. The branch is created when there is none.
// A zero author time is now.
func (r *Repo) Commit(branch string, author mirror.Signature, message string, changes ...Change) (mirror.Hash, error) {
	var made mirror.Hash
	err := r.update(r.server.somebody(author), func() error {
		parent, err := r.Head(branch)
		if err != nil {
			return err
		}
		edited := slices.Clone(changes)
		for i, c := range edited {
			if c.Edit != nil {
				was, err := r.git(nil, "cat-file", "blob", string(parent)+":"+c.Path)
				if err != nil {
					return err
				}
				edited[i].Content = c.Edit([]byte(was))
			}
		}
		out, err := r.git(r.importStream(branch, parent, author, message, edited), "fast-import", "--quiet")
		made = mirror.Hash(strings.TrimSpace(out))
		return err
	})
	return made, err
}

// importStream writes the commit in git fast-import's language, so that a commit
// of ten thousand files is one process.
func (r *Repo) importStream(branch string, parent mirror.Hash, author mirror.Signature, message string, changes []Change) *bytes.Buffer {
	when := author.When
	if when.IsZero() {
		when = r.server.options.Now()
	}
	clean := strings.NewReplacer("<", "", ">", "", "\n", " ")
	who := fmt.Sprintf("%s <%s> %d +0000", clean.Replace(author.Name), clean.Replace(author.Email), when.Unix())
	var b bytes.Buffer
	data := func(content []byte) { fmt.Fprintf(&b, "data %d\n%s\n", len(content), content) }
	fmt.Fprintf(&b, "commit refs/heads/%s\nmark :1\nauthor %s\ncommitter %s\n", branch, who, who)
	data([]byte(message))
	if parent != "" {
		fmt.Fprintf(&b, "from %s\n", parent)
	}
	for _, c := range changes {
		mode := cmp.Or(c.Mode, ModeFile)
		switch {
		case c.Delete && c.Path == "":
			b.WriteString("deleteall\n")
		case c.Delete:
			fmt.Fprintf(&b, "D %s\n", quotePath(c.Path))
		case mode == ModeSubmodule:
			fmt.Fprintf(&b, "M %s %s %s\n", mode, c.Content, quotePath(c.Path))
		default:
			fmt.Fprintf(&b, "M %s inline %s\n", mode, quotePath(c.Path))
			data(c.Content)
		}
	}
	b.WriteString("get-mark :1\n")
	return &b
}

// quotePath quotes as C does; bytes above ASCII stay as they are.
func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// ForcePush moves a branch to any commit, for instance "main~2". It also creates branches.
func (r *Repo) ForcePush(branch, revision string) error {
	return r.update(r.server.somebody(mirror.Signature{}), func() error {
		_, err := r.git(nil, "update-ref", "refs/heads/"+branch, revision+"^{commit}")
		return err
	})
}

// CreateBranch makes a branch at a revision.
func (r *Repo) CreateBranch(branch, revision string) error {
	return r.update(r.server.somebody(mirror.Signature{}), func() error {
		_, err := r.git(nil, "branch", "--no-track", branch, revision)
		return err
	})
}

// DeleteBranch deletes a branch, the main one too.
func (r *Repo) DeleteBranch(branch string) error {
	return r.update(r.server.somebody(mirror.Signature{}), func() error {
		_, err := r.git(nil, "update-ref", "-d", "refs/heads/"+branch)
		return err
	})
}

// somebody is the person with that address, or else the first one.
func (s *Server) somebody(author mirror.Signature) *principal {
	p := &s.people[0]
	for i := range s.people {
		if strings.EqualFold(s.people[i].Email, author.Email) {
			p = &s.people[i]
		}
	}
	return &principal{person: p, name: p.Name}
}
