package document

import (
	"bytes"
	"fmt"
	"maps"
)

// skills merges file by file. The name is merged with the slug, before the lines of
// SKILL.md: it stands next to the description, and a rename is no edit of that.
func (m *merger) skills(base, database, git *Document) *Document {
	merged := &Document{Kind: Skills, Slug: m.slug(base.Slug, database.Slug, git.Slug)}
	b, d, g := byPath(base.Renamed(merged.Slug)), byPath(database.Renamed(merged.Slug)), byPath(git.Renamed(merged.Slug))
	paths := maps.Clone(g)
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

// slug merges a skill's names, of which base's may be none.
func (m *merger) slug(base, database, git string) string {
	switch {
	case database == git, database == base:
		return git
	case git == base:
		return database
	}
	m.lose(SkillFile)
	if m.policy == PreferDatabase {
		return database
	}
	return git
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
