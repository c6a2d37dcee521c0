package document

import (
	"bytes"
	"fmt"
)

// skills merges file by file.
func (m *merger) skills(base, database, git *Document) *Document {
	merged := &Document{Kind: Skills, Slug: git.Slug}
	if git.Slug == base.Slug {
		merged.Slug = database.Slug
	} else if database.Slug != base.Slug && m.policy == PreferDatabase {
		merged.Slug = database.Slug
	}
	b, d, g := byPath(base), byPath(database), byPath(git)
	paths := byPath(git)
	for path, f := range d {
		paths[path] = f
	}
	for _, path := range sortedKeys(paths) {
		if f := m.file(path, b[path], d[path], g[path]); f != nil {
			merged.Files = append(merged.Files, *f)
		}
	}
	return merged
}

func byPath(d *Document) map[string]*File {
	files := make(map[string]*File, len(d.Files))
	for i := range d.Files {
		files[d.Files[i].Path] = &d.Files[i]
	}
	return files
}

func sameFile(a, b *File) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Executable == b.Executable && bytes.Equal(a.Content, b.Content)
}

// file merges one file, nil being none.
func (m *merger) file(path string, base, database, git *File) *File {
	switch {
	case sameFile(database, git), sameFile(base, git):
		return database
	case sameFile(base, database):
		return git
	case base == nil || database == nil || git == nil:
		return m.decideFile(path, database, git)
	}
	merged := &File{Path: path, Executable: git.Executable, Content: git.Content}
	if git.Executable == base.Executable {
		merged.Executable = database.Executable
	}
	switch {
	case bytes.Equal(git.Content, base.Content):
		merged.Content = database.Content
	case bytes.Equal(database.Content, base.Content), bytes.Equal(database.Content, git.Content):
	case isText(base.Content) && isText(database.Content) && isText(git.Content):
		var conflicts []int
		merged.Content, conflicts = mergeLines(base.Content, database.Content, git.Content, m.policy)
		for _, line := range conflicts {
			m.lose(fmt.Sprintf("%s:%d", path, line))
		}
	default:
		merged.Content = m.decideFile(path, database, git).Content
	}
	return merged
}

func (m *merger) decideFile(path string, database, git *File) *File {
	m.lose(path)
	if m.policy == PreferDatabase {
		return database
	}
	return git
}
