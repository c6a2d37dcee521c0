package clone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

const lfsPrefix = "version https://git-lfs.github.com/spec/"

// Read reads an entry's content. Sizes are checked before anything is inflated.
func (c *Clone) Read(ctx context.Context, e mirror.Entry) (*mirror.Content, *document.Problem, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(ctx, e)
}

func (c *Clone) read(ctx context.Context, e mirror.Entry) (*mirror.Content, *document.Problem, error) {
	if err := c.usable(ctx); err != nil {
		return nil, nil, err
	}
	if e.GitID == "" {
		return nil, nil, fmt.Errorf("read %s: nothing stands there", e.Path)
	}
	if !safeName(fileName(e.Kind, e.Slug)) {
		return nil, unreadable("", "its name cannot be a file's name"), nil
	}
	if mode, _, ok := strings.Cut(e.GitID, ":"); ok {
		return nil, unreadable("", "%s", describeMode(e, mode)), nil
	}
	id, ok := toID(mirror.Hash(e.GitID))
	if !ok {
		return nil, nil, fmt.Errorf("read %s: %q is no git id", e.Path, e.GitID)
	}
	if e.Kind != document.Skills {
		data, problem, err := c.readFile(id, "")
		if problem != nil || err != nil {
			return nil, problem, err
		}
		return &mirror.Content{Bytes: data}, nil, nil
	}
	r := &skillReader{c: c, ctx: ctx}
	problem, err := r.dir(id, "", 0)
	if problem != nil || err != nil {
		return nil, problem, err
	}
	files := r.files
	slices.SortFunc(files, func(a, b document.File) int { return strings.Compare(a.Path, b.Path) })
	return &mirror.Content{Files: files}, nil, nil
}

func unreadable(file, format string, args ...any) *document.Problem {
	what := fmt.Sprintf(format, args...)
	if file != "" {
		what = strconv.Quote(file) + ": " + what
	}
	return &document.Problem{Code: document.FetchFailed, File: file, Message: "The content cannot be read: " + what + "."}
}

// describeMode says what stands in an entity's place instead of its file.
func describeMode(e mirror.Entry, mode string) string {
	if mode == twiceMark {
		return "its name stands more than once in the directory"
	}
	bits, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		return "it is no regular file"
	}
	what := describe(uint32(bits))
	if e.Kind == document.Skills {
		return "it, or a directory above it, is " + what + " instead of a directory"
	}
	return "it, or a directory above it, is " + what + " instead of a regular file"
}

func describe(mode uint32) string {
	switch mode & modeFormat {
	case modeDir:
		return "a directory"
	case modeSymlink:
		return "a symbolic link"
	case modeSubmodule:
		return "a submodule"
	case modeRegular:
		return "a file"
	}
	return "something of unknown mode"
}

// readFile reads one blob within the limits.
func (c *Clone) readFile(id plumbing.Hash, file string) ([]byte, *document.Problem, error) {
	limit := c.o.Limits.MaxFileSize
	data, size, err := c.store.blob(id, limit)
	if err != nil {
		return c.missing(id, file, err)
	}
	if size > limit {
		return nil, unreadable(file, "it has %d bytes, the limit is %d", size, limit), nil
	}
	if strings.HasPrefix(string(data[:min(len(data), len(lfsPrefix))]), lfsPrefix) {
		return nil, unreadable(file, "it is a Git LFS pointer, and LFS content is not read"), nil
	}
	c.store.recent.put(id, data)
	return data, nil, nil
}

// missing decides about an object that cannot be read: damage that a rebuild may
// heal, or, when a rebuild has not healed it, a fault of the file.
func (c *Clone) missing(id plumbing.Hash, file string, err error) ([]byte, *document.Problem, error) {
	if !errors.Is(err, mirror.ErrDamaged) {
		return nil, nil, err
	}
	if at, ok := c.reported[id]; ok && at < c.generation {
		return nil, unreadable(file, "its object %s is missing in the repository", id), nil
	}
	c.reported[id] = c.generation
	return nil, nil, err
}

// skillReader collects the files below a skill's directory.
type skillReader struct {
	c     *Clone
	ctx   context.Context
	files []document.File
	dirs  int
	total int64
}

// maxDepth bounds the nesting of directories.
const maxDepth = 64

func (r *skillReader) dir(id plumbing.Hash, prefix string, depth int) (*document.Problem, error) {
	limits := r.c.o.Limits
	r.dirs++
	if depth > maxDepth || r.dirs > 4*limits.MaxSkillFiles+16 {
		return document.Invalid("The skill has too many directories."), nil
	}
	t, err := r.c.store.tree(id)
	if err != nil {
		_, problem, err := r.c.missing(id, strings.TrimSuffix(prefix, "/"), err)
		return problem, err
	}
	for _, e := range t.entries {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		file := prefix + e.name
		switch {
		case !safeName(e.name):
			return unreadable(file, "its name cannot be a file's name"), nil
		case e.twice:
			return unreadable(file, "its name stands more than once in the directory"), nil
		case e.isDir():
			if problem, err := r.dir(e.id, file+"/", depth+1); problem != nil || err != nil {
				return problem, err
			}
			continue
		case !e.isRegular():
			return unreadable(file, "it is %s", describe(e.mode)), nil
		}
		if len(r.files) == limits.MaxSkillFiles {
			return document.Invalid("The skill has more than %d files.", limits.MaxSkillFiles), nil
		}
		size, err := r.c.store.size(e.id)
		if err != nil {
			_, problem, err := r.c.missing(e.id, file, err)
			return problem, err
		}
		if r.total += size; r.total > limits.MaxSkillSize {
			return unreadable("", "the skill's files have more than %d bytes in all", limits.MaxSkillSize), nil
		}
		data, problem, err := r.c.readFile(e.id, file)
		if problem != nil || err != nil {
			return problem, err
		}
		r.files = append(r.files, document.File{Path: file, Executable: e.mode&0o111 != 0, Content: data})
	}
	return nil, nil
}
