package benchmark_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
)

// worktree is go-git as its documentation shows it: Add, Commit, Push; Pull and a
// tree diff. The SQL is the script's.
type worktree struct {
	l     *lane
	dir   string
	repo  *git.Repository
	auth  *http.BasicAuth
	since string
}

func newWorktree(l *lane) *worktree {
	w := &worktree{l: l, dir: filepath.Join(l.dir, "clone"), since: never}
	user, password := l.credentials()
	w.auth = &http.BasicAuth{Username: user, Password: password}
	l.bare()
	var err error
	w.repo, err = git.PlainInitWithOptions(w.dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	l.must(err)
	_, err = w.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{l.repo.URL()}})
	l.must(err)
	return w
}

// few files are added one by one without a look at the others; many are not.
const few = 20

func (w *worktree) export() error {
	tree, err := w.repo.Worktree()
	if err != nil {
		return err
	}
	rows, err := w.l.sql.Query("SELECT path, content FROM files WHERE updated_at > '" + w.since + "'")
	if err != nil {
		return err
	}
	defer rows.Close()
	w.since = time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	var paths []string
	for rows.Next() {
		var path, content string
		if err := rows.Scan(&path, &content); err != nil {
			return err
		}
		full := filepath.Join(w.dir, path)
		err := os.WriteFile(full, []byte(content), 0o644)
		if os.IsNotExist(err) {
			if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
				err = os.WriteFile(full, []byte(content), 0o644)
			}
		}
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(paths) <= few {
		for _, path := range paths {
			if err := tree.AddWithOptions(&git.AddOptions{Path: path, SkipStatus: true}); err != nil {
				return err
			}
		}
	} else if err := tree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return err
	}
	if _, err := tree.Commit("Update configuration", &git.CommitOptions{Author: &object.Signature{Name: "Peer", Email: "peer@example.com", When: time.Now()}}); err != nil {
		return err
	}
	return w.repo.Push(&git.PushOptions{Auth: w.auth})
}

func (w *worktree) pull() (old, new plumbing.Hash, err error) {
	head := func() plumbing.Hash {
		if r, err := w.repo.Head(); err == nil {
			return r.Hash()
		}
		return plumbing.ZeroHash
	}
	old = head()
	tree, err := w.repo.Worktree()
	if err != nil {
		return old, old, err
	}
	if err := tree.Pull(&git.PullOptions{Auth: w.auth, ReferenceName: "refs/heads/main", SingleBranch: true}); err != nil && err != git.NoErrAlreadyUpToDate {
		return old, old, err
	}
	return old, head(), nil
}

func (w *worktree) imports() error {
	old, new, err := w.pull()
	if err != nil || old == new {
		return err
	}
	tree := func(id plumbing.Hash) (*object.Tree, error) {
		if id.IsZero() {
			return &object.Tree{}, nil
		}
		c, err := w.repo.CommitObject(id)
		if err != nil {
			return nil, err
		}
		return c.Tree()
	}
	from, err := tree(old)
	if err != nil {
		return err
	}
	to, err := tree(new)
	if err != nil {
		return err
	}
	changes, err := from.Diff(to)
	if err != nil {
		return err
	}
	tx, err := w.l.sql.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("CREATE TEMP TABLE incoming (path text, content text)"); err != nil {
		return err
	}
	insert, err := tx.Prepare(fmt.Sprintf("INSERT INTO incoming VALUES (%s, %s)", w.l.placeholder(1), w.l.placeholder(2)))
	if err != nil {
		return err
	}
	for _, c := range changes {
		if c.To.Name == "" {
			continue
		}
		_, file, err := c.Files()
		if err != nil {
			return err
		}
		content, err := file.Contents()
		if err != nil {
			return err
		}
		if _, err := insert.Exec(c.To.Name, content); err != nil {
			return err
		}
	}
	load, err := os.ReadFile(filepath.Join("testdata", "load-"+w.l.dialect+".sql"))
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(string(load), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.Exec(statement); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("DROP TABLE incoming"); err != nil {
		return err
	}
	return tx.Commit()
}

func (w *worktree) poll() error {
	_, _, err := w.pull()
	return err
}

func (w *worktree) settled() error { return nil }
func (w *worktree) close() error   { return nil }
