package bitbuckettest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
)

// Repo is a repository: a bare one on disk, and what Bitbucket knows beside it.
type Repo struct {
	server *Server
	uuid   string
	dir    string

	// refs is held while refs may move, from the look before to the look after.
	refs sync.Mutex

	// mu guards what follows. It is never held while git runs; Server.mu is taken first.
	mu         sync.Mutex
	workspace  string
	slug       string
	mainBranch string // "" while empty
	rules      rules
	hooks      []*Hook
	pulls      []*pull
	statuses   map[mirror.Hash][]*Status
}

var (
	workspaceName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,62}$`)
	repoName      = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,61}$`)
)

func repoKey(workspace, slug string) string { return strings.ToLower(workspace + "/" + slug) }

// CreateRepository makes an empty repository, or adopts the one that an earlier
// stand-in left in Options.Dir.
func (s *Server) CreateRepository(workspace, slug string) (*Repo, error) {
	if !workspaceName.MatchString(workspace) || !repoName.MatchString(slug) {
		return nil, fmt.Errorf("bitbuckettest: no name for a repository: %q/%q", workspace, slug)
	}
	r := &Repo{server: s, workspace: workspace, slug: slug}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("bitbuckettest: the server is closed")
	}
	if s.repos[r.key()] != nil {
		return nil, fmt.Errorf("bitbuckettest: there is a repository %s already", r.FullName())
	}
	r.dir = s.freeDir(r.key())
	if err := r.init(); err != nil {
		return nil, err
	}
	s.repos[r.key()] = r
	return r, nil
}

// freeDir is the directory for a name, or one beside it when a repository that
// was renamed still lives there.
func (s *Server) freeDir(key string) string {
	taken := make(map[string]bool)
	for _, r := range s.repos {
		taken[r.dir] = true
	}
	dir := filepath.Join(s.dir, filepath.FromSlash(key)+".git")
	for i := 2; taken[dir]; i++ {
		dir = filepath.Join(s.dir, fmt.Sprintf("%s.%d.git", filepath.FromSlash(key), i))
	}
	return dir
}

func (r *Repo) init() error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("bitbuckettest: %w", err)
	}
	if _, err := r.git(nil, "init", "--quiet", "--bare", "--template="); err != nil {
		return err
	}
	if err := r.loadUUID(); err != nil {
		return err
	}
	refs, err := r.readRefs()
	if err != nil {
		return err
	}
	if len(refs) > 0 {
		head, err := r.git(nil, "symbolic-ref", "--short", "HEAD")
		if err != nil {
			return err
		}
		r.mainBranch = strings.TrimSpace(head)
	}
	if r.server.options.Plain {
		return nil
	}
	return writeHookScripts(r.dir)
}

// loadUUID reads the uuid that an adopted repository had, or makes one up: a
// repository that is deleted and made again is another one.
func (r *Repo) loadUUID() error {
	path := filepath.Join(r.dir, "bitbucket-uuid")
	old, err := os.ReadFile(path)
	if err == nil {
		r.uuid = string(old)
		return nil
	}
	r.uuid = "{" + uuid.NewString() + "}"
	return os.WriteFile(path, []byte(r.uuid), 0o644)
}

// RenameRepository moves a repository to another workspace or slug. It keeps its
// uuid; the old name is free.
func (s *Server) RenameRepository(r *Repo, workspace, slug string) error {
	if !workspaceName.MatchString(workspace) || !repoName.MatchString(slug) {
		return fmt.Errorf("bitbuckettest: no name for a repository: %q/%q", workspace, slug)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.repos[repoKey(workspace, slug)]; other != nil && other != r {
		return fmt.Errorf("bitbuckettest: there is a repository %s/%s already", workspace, slug)
	}
	delete(s.repos, r.key())
	r.mu.Lock()
	r.workspace, r.slug = workspace, slug
	r.mu.Unlock()
	s.repos[r.key()] = r
	return nil
}

// RemoveRepository deletes a repository. Hooks see nothing of it.
func (s *Server) RemoveRepository(r *Repo) error {
	s.mu.Lock()
	delete(s.repos, r.key())
	s.mu.Unlock()
	r.refs.Lock()
	defer r.refs.Unlock()
	return os.RemoveAll(r.dir)
}

// repository finds by workspace/slug without case; the slug may be the uuid.
func (s *Server) repository(name string) *Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.repos[strings.ToLower(name)]; r != nil {
		return r
	}
	_, id, _ := strings.Cut(name, "/")
	for _, r := range s.repos {
		if id == r.uuid {
			return r
		}
	}
	return nil
}

func (r *Repo) name() (workspace, slug string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.workspace, r.slug
}

func (r *Repo) key() string { return strings.ToLower(r.FullName()) }

// FullName is workspace/slug.
func (r *Repo) FullName() string {
	workspace, slug := r.name()
	return workspace + "/" + slug
}

// UUID is in braces, as Bitbucket writes it.
func (r *Repo) UUID() string { return r.uuid }

// Dir is the bare repository's directory.
func (r *Repo) Dir() string { return r.dir }

// URL is the clone URL without credentials.
func (r *Repo) URL() string { return r.server.GitURL() + "/" + r.FullName() + ".git" }

// CloneURL is the clone URL with the first person's credentials: `git clone` of it just works.
func (r *Repo) CloneURL() string {
	p := r.server.people[0]
	u, _ := url.Parse(r.URL())
	u.User = url.UserPassword(p.Username, p.Password)
	return u.String()
}

// MainBranch is "" while the repository is empty; the first branch pushed becomes it.
func (r *Repo) MainBranch() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mainBranch
}

// SetMainBranch makes another branch the main one.
func (r *Repo) SetMainBranch(branch string) error {
	if _, err := r.git(nil, "symbolic-ref", "HEAD", "refs/heads/"+branch); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mainBranch = branch
	return nil
}

// Head is the branch's commit; "" when there is no such branch.
func (r *Repo) Head(branch string) (mirror.Hash, error) {
	refs, err := r.readRefs()
	return mirror.Hash(refs["refs/heads/"+branch]), err
}

// Branches are all branches with their commits.
func (r *Repo) Branches() (map[string]mirror.Hash, error) {
	refs, err := r.readRefs()
	branches := make(map[string]mirror.Hash)
	for ref, hash := range refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			branches[name] = mirror.Hash(hash)
		}
	}
	return branches, err
}

// Git runs git in the bare repository, for what has no method. It tells no webhook.
func (r *Repo) Git(args ...string) (string, error) { return r.git(nil, args...) }
