package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// Bounds beside those of document.Limits.
const (
	maxSkillDepth = 64
	lfsPrefix     = "version https://git-lfs.github.com/spec/"
)

func unreadable(format string, args ...any) *document.Problem {
	return &document.Problem{Code: document.FetchFailed, Message: "The content cannot be read: " + fmt.Sprintf(format, args...) + "."}
}

// walk reads what stands directly in a kind's directory, as an import sees it:
// the same names count as entities, and the rest is its people's own.
func (v *validation) walk(kind document.Kind) error {
	dir := v.layout.Dir(kind)
	if problem, there := v.directory(dir); !there || problem != nil {
		if problem != nil {
			v.files = append(v.files, &validated{kind: kind, path: dir, problem: problem})
		}
		return nil
	}
	entries, err := fs.ReadDir(v.root.FS(), dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		slug, ok := entityName(kind, e)
		if !ok {
			continue
		}
		f := &validated{kind: kind, slug: slug, path: dir + "/" + e.Name()}
		v.files = append(v.files, f)
		switch {
		case !document.ValidSlug(kind, slug):
			f.problem = document.Invalid("the name is not a valid slug: use lower-case letters and digits joined by single hyphens%s", orDots(kind))
		case kind == document.Skills:
			f.document, f.problem = v.skill(f)
		default:
			if f.content, f.problem = v.file(f.path, e.Type()); f.problem == nil {
				f.document, f.problem = document.ParseFile(kind, slug, f.content, v.limits)
			}
		}
	}
	return nil
}

func orDots(kind document.Kind) string {
	if kind == document.Skills {
		return ""
	}
	return ", dots or underscores"
}

// directory reports whether a kind's directory is there. A link in its path is a
// problem: git holds a link there, no directory.
func (v *validation) directory(dir string) (problem *document.Problem, there bool) {
	for i := range len(dir) + 1 {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		info, err := v.root.Lstat(dir[:i])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, false
		case err != nil:
			return unreadable("%v", cause(err)), true
		case !info.IsDir():
			return unreadable("it is %s instead of a directory", describeMode(info.Mode())), true
		}
	}
	return nil, true
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

// skill reads a skill's directory.
func (v *validation) skill(f *validated) (*document.Document, *document.Problem) {
	if problem, _ := v.directory(f.path); problem != nil {
		return nil, problem
	}
	r := &skillReader{v: v, dir: f.path}
	if problem := r.read("", 0); problem != nil {
		return nil, problem
	}
	return document.ParseSkill(f.slug, r.files, v.limits)
}

// skillReader collects the files below a skill's directory.
type skillReader struct {
	v     *validation
	dir   string
	files []document.File
	total int64
}

func (r *skillReader) read(below string, depth int) *document.Problem {
	entries, err := fs.ReadDir(r.v.root.FS(), path.Join(r.dir, below))
	if err != nil {
		return unreadable("%v", cause(err))
	}
	if depth > maxSkillDepth {
		return document.Invalid("The skill has too many directories.")
	}
	for _, e := range entries {
		name := path.Join(below, e.Name())
		if strings.EqualFold(e.Name(), ".git") {
			return r.at(name, unreadable("it is a repository of its own"))
		}
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
