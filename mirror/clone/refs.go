package clone

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

func (c *Clone) branchRef() string   { return refOf(c.o.Branch) }
func (c *Clone) trackingRef() string { return trackingRefOf(c.o.Branch) }

func refOf(branch string) string         { return "refs/heads/" + branch }
func trackingRefOf(branch string) string { return "refs/remotes/origin/" + branch }

// readRef resolves a ref to a commit; ok is false when it is absent or broken.
func (c *Clone) readRef(name string) (plumbing.Hash, bool) {
	for range 5 { // symbolic refs
		b, err := c.git.ReadFile(name)
		if err != nil {
			return c.packedRef(name)
		}
		text := strings.TrimSpace(string(b))
		if target, ok := strings.CutPrefix(text, "ref: "); ok && safePath(target) {
			name = target
			continue
		}
		return toID(mirror.Hash(text))
	}
	return plumbing.ZeroHash, false
}

// packedRef looks where somebody's "git gc" puts refs.
func (c *Clone) packedRef(name string) (plumbing.Hash, bool) {
	b, err := c.git.ReadFile("packed-refs")
	if err != nil {
		return plumbing.ZeroHash, false
	}
	for line := range strings.Lines(string(b)) {
		hex, ref, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && ref == name {
			return toID(mirror.Hash(hex))
		}
	}
	return plumbing.ZeroHash, false
}

// setRef writes a ref under its lock.
func (c *Clone) setRef(ctx context.Context, name string, id plumbing.Hash) error {
	if at, ok := c.readRef(name); ok && at == id {
		return nil
	}
	return c.replace(ctx, name, []byte(id.String()+"\n"))
}

// track notes where a branch of the remote is; zero: nowhere.
func (c *Clone) track(ctx context.Context, branch string, at plumbing.Hash) error {
	if !at.IsZero() {
		return c.setRef(ctx, trackingRefOf(branch), at)
	}
	err := c.git.Remove(trackingRefOf(branch))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// exists reports whether something stands at a path of .git.
func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}
