package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/config"

	"github.com/confmirror/confmirror/mirror/document"
)

// Bounds beside those of document.Limits.
const (
	maxSkillDepth = 64
	maxGitmodules = 1 << 20
	lfsPrefix     = "version https://git-lfs.github.com/spec/"
)

func unreadable(format string, args ...any) *document.Problem {
	return &document.Problem{Code: document.FetchFailed, Message: "The content cannot be read: " + fmt.Sprintf(format, args...) + "."}
}

// walk reads what stands directly in a kind's directory, as an import sees it:
// the same names count as entities, and the rest is its people's own.
func (v *validation) walk(kind document.Kind) {
	dir := v.layout.Dir(kind)
	entries, problem := v.kindDirectory(dir)
	if problem != nil {
		v.files = append(v.files, &validated{kind: kind, path: dir, problem: problem})
	}
	for _, e := range entries {
		slug, ok := entityName(kind, e)
		if !ok {
			continue
		}
		f := &validated{kind: kind, slug: slug, path: dir + "/" + e.Name()}
		v.files = append(v.files, f)
		if kind == document.MCPServers {
			v.servers[slug] = document.Server{}
		}
		if kind == document.Skills {
			f.problem = v.skill(f)
			continue
		}
		content, problem := v.file(f.path, e.Type())
		if f.problem = problem; problem == nil {
			v.parsed(f, content)
		}
	}
}

// kindDirectory lists a kind's directory. What stands in the way of it is its problem.
func (v *validation) kindDirectory(dir string) (entries []fs.DirEntry, problem *document.Problem) {
	for i := range len(dir) + 1 {
		if i == len(dir) || dir[i] == '/' {
			if entries, problem = v.directory(dir[:i]); problem != nil {
				return nil, problem
			}
		}
	}
	return entries, nil
}

// directory lists a directory; one that is not there is empty. What git holds in another
// way than as a directory is a problem.
func (v *validation) directory(dir string) ([]fs.DirEntry, *document.Problem) {
	info, err := v.root.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, unreadable("%v", cause(err))
	case !info.IsDir():
		return nil, unreadable("it, or a directory above it, is %s instead of a directory", describeMode(info.Mode()))
	}
	entries, err := fs.ReadDir(v.root.FS(), dir)
	switch {
	case err != nil:
		return nil, unreadable("%v", cause(err))
	case len(entries) == 0 && v.submodules[dir] || slices.ContainsFunc(entries, isRepository):
		return nil, unreadable("it, or a directory above it, is a submodule or another repository instead of a directory")
	}
	return entries, nil
}

// isRepository reports whether a directory's entry makes it a repository of its own.
func isRepository(e fs.DirEntry) bool { return strings.EqualFold(e.Name(), ".git") }

// submodules are the paths that .gitmodules names: where submodules are not fetched, as
// in most pipelines, such a directory is there and empty.
func submodules(root *os.Root) map[string]bool {
	paths := map[string]bool{}
	if info, err := root.Lstat(".gitmodules"); err != nil || !info.Mode().IsRegular() {
		return paths
	}
	f, err := root.Open(".gitmodules")
	if err != nil {
		return paths
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxGitmodules))
	modules := config.NewModules()
	if err != nil || modules.Unmarshal(content) != nil {
		return paths // nothing that git could read
	}
	for _, m := range modules.Submodules {
		paths[path.Clean(m.Path)] = true
	}
	return paths
}

// entityName tells an entity's file or directory from what is its people's own.
func entityName(kind document.Kind, e fs.DirEntry) (slug string, ok bool) {
	name := e.Name()
	if strings.HasPrefix(name, ".") || name == "README.md" {
		return "", false
	}
	if kind == document.Skills {
		return name, !e.Type().IsRegular()
	}
	slug, ok = strings.CutSuffix(name, ".json")
	return slug, ok && !e.IsDir()
}

// file reads a regular file within the limits.
func (v *validation) file(name string, mode fs.FileMode) ([]byte, *document.Problem) {
	if !mode.IsRegular() {
		return nil, unreadable("it is %s instead of a regular file", describeMode(mode))
	}
	f, err := v.root.Open(name)
	if err != nil {
		return nil, unreadable("%v", cause(err))
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, v.limits.MaxFileSize+1))
	switch {
	case err != nil:
		return nil, unreadable("%v", cause(err))
	case int64(len(content)) > v.limits.MaxFileSize:
		return nil, unreadable("it has more than %d bytes", v.limits.MaxFileSize)
	case strings.HasPrefix(string(content[:min(len(content), len(lfsPrefix))]), lfsPrefix):
		return nil, unreadable("it is a Git LFS pointer, and LFS content is not read")
	}
	return content, nil
}

// skill reads a skill's directory, and says what is wrong with it.
func (v *validation) skill(f *validated) *document.Problem {
	r := &skillReader{v: v, dir: f.path}
	if problem := r.read("", 0); problem != nil {
		return problem
	}
	d, problem := document.ParseSkill(f.slug, r.files, v.limits)
	if problem == nil {
		problem = v.take(f, d)
	}
	return problem
}

// skillReader collects the files below a skill's directory.
type skillReader struct {
	v     *validation
	dir   string
	files []document.File
	total int64
}

func (r *skillReader) read(below string, depth int) *document.Problem {
	entries, problem := r.v.directory(path.Join(r.dir, below))
	if problem != nil {
		return r.at(below, problem)
	}
	if depth > maxSkillDepth {
		return document.Invalid("The skill has too many directories.")
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		if e.IsDir() {
			if problem := r.read(name, depth+1); problem != nil {
				return problem
			}
			continue
		}
		if len(r.files) == r.v.limits.MaxSkillFiles {
			return document.Invalid("The skill has more than %d files.", r.v.limits.MaxSkillFiles)
		}
		content, problem := r.v.file(path.Join(r.dir, name), e.Type())
		if problem != nil {
			return r.at(name, problem)
		}
		if r.total += int64(len(content)); r.total > r.v.limits.MaxSkillSize {
			return unreadable("the skill's files have more than %d bytes in all", r.v.limits.MaxSkillSize)
		}
		info, err := e.Info()
		r.files = append(r.files, document.File{Path: name, Executable: err == nil && info.Mode()&0o111 != 0, Content: content})
	}
	return nil
}

func (r *skillReader) at(name string, problem *document.Problem) *document.Problem {
	problem.File = name
	return problem
}

func describeMode(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode.IsDir():
		return "a directory"
	case mode.IsRegular():
		return "a file"
	}
	return "something else"
}

// cause is a file's error without its path, which the problem names.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
