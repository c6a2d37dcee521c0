package bitbuckettest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitConfig is all the configuration that the stand-in's git sees: neither the
// system's nor the user's act on it.
//
//   - People may rewrite and delete branches, as on Bitbucket.
//   - fsckObjects: a client's malformed object is refused, not stored.
//   - atomic, push options, filters and unborn HEAD are not known to be offered by
//     Bitbucket, so no client may depend on them here.
//   - No automatic gc: it would run detached, outliving the server.
const gitConfig = `[safe]
	directory = *
[init]
	defaultBranch = main
[http]
	uploadpack = true
	receivepack = true
	getanyfile = false
[receive]
	denyNonFastForwards = false
	denyDeletes = false
	denyDeleteCurrent = ignore
	fsckObjects = true
	advertiseAtomic = false
	advertisePushOptions = false
	autogc = false
[uploadpack]
	allowFilter = false
[lsrefs]
	unborn = ignore
[gc]
	auto = 0
[maintenance]
	auto = false
[core]
	quotePath = false
	logAllRefUpdates = false
`

// gitTool runs git in an environment of its own.
type gitTool struct {
	path string
	env  []string
}

// newGitTool finds git; home receives its configuration.
func newGitTool(home string) (*gitTool, error) {
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("bitbuckettest: the stand-in runs the git program, which is not installed or not in PATH: %w", err)
	}
	config := filepath.Join(home, "gitconfig")
	if err := os.WriteFile(config, []byte(gitConfig), 0o644); err != nil {
		return nil, fmt.Errorf("bitbuckettest: %w", err)
	}
	g := &gitTool{path: path, env: []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + home,
		"LC_ALL=C",
		"TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + config,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Bitbucket", "GIT_AUTHOR_EMAIL=noreply@bitbucket.org",
		"GIT_COMMITTER_NAME=Bitbucket", "GIT_COMMITTER_EMAIL=noreply@bitbucket.org",
	}}
	libexec, err := g.run(context.Background(), "", nil, "--exec-path")
	if err != nil {
		return nil, err
	}
	// Some distributions ship the HTTP server apart from git.
	backend := filepath.Join(strings.TrimSpace(libexec), "git-http-backend")
	if _, err := exec.LookPath(backend); err != nil {
		return nil, fmt.Errorf("bitbuckettest: git is installed without git-http-backend (on Alpine it is in the package git-daemon): %w", err)
	}
	return g, nil
}

// command prepares git in dir. Cancelling ctx kills it and whatever it started.
func (g *gitTool) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.path, args...)
	cmd.Dir = dir
	cmd.Env = g.env
	cmd.WaitDelay = 2 * time.Second
	killWithChildren(cmd)
	return cmd
}

// run runs git to its end and returns what it printed.
func (g *gitTool) run(ctx context.Context, dir string, stdin io.Reader, args ...string) (string, error) {
	return g.runWith(ctx, nil, dir, stdin, args...)
}

// runWith runs git with more in its environment.
func (g *gitTool) runWith(ctx context.Context, env []string, dir string, stdin io.Reader, args ...string) (string, error) {
	cmd := g.command(ctx, dir, args...)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := bytes.TrimSpace(stderr.Bytes())
		if len(said) == 0 { // as of a merge's conflicts
			said = bytes.TrimSpace(stdout.Bytes())
		}
		return "", fmt.Errorf("bitbuckettest: git %s: %w: %s", args[0], err, said)
	}
	return stdout.String(), nil
}
