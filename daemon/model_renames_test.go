package daemon_test

import (
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// pairRenames gives entities whose file vanished the file that it became: one that
// appeared where nothing was agreed, equal but for slug and name; failing that, the
// only similar one in both directions. What is not certain is said.
func (m *reference) pairRenames(entities []*entity, files map[string]*file) []*entity {
	var gone, came []*entity
	for _, e := range entities {
		switch {
		case e.base != nil && e.file == nil && !e.base.parted:
			gone = append(gone, e)
		case e.base == nil && e.file.valid():
			came = append(came, e)
		}
	}
	for _, e := range entities {
		// A run that does not look at git may have forgotten what is gone on both sides.
		forgotten := e.base != nil && e.base.parted && !e.row.live() && e.file.valid()
		if forgotten && slices.ContainsFunc(gone, func(g *entity) bool { return similar(g.base.doc, e.file.doc) }) {
			m.unsure("a file was renamed to where both sides had been deleted")
		}
	}
	paired := map[*entity]bool{}
	for _, alike := range []func(a, b doc) bool{sameButName, similar} {
		candidates, back := map[*entity][]*entity{}, map[*entity]int{}
		for _, g := range gone {
			for _, c := range came {
				if g.file == nil && !paired[c] && alike(g.base.doc, c.file.doc) {
					candidates[g] = append(candidates[g], c)
					back[c]++
				}
			}
		}
		for _, g := range gone {
			found := candidates[g]
			if len(found) == 0 {
				continue
			}
			c := found[0]
			switch {
			case len(found) > 1 || back[c] > 1:
				m.unsure("a file may have been renamed in more than one way")
			case g.replaced:
				m.unsure("the file of a replaced row was renamed")
			case c.row.live() && c.row != g.row:
				m.unsure("a file was renamed to where another row is")
			default:
				g.file, paired[c] = c.file, true
			}
		}
	}
	for _, g := range gone {
		for _, c := range entities {
			if g.file != nil || g.replaced || c.base != nil || c.file == nil || c.file.doc["slug"] != g.slug || !similar(g.base.doc, c.file.doc) {
				continue
			}
			if m.bad[c.slug].text == c.file.text && !g.base.slipped {
				continue // it is no part of this change
			}
			g.slip = true
			if c.row.live() {
				m.unsure("a file was moved to where another row is, slug unchanged")
			}
		}
	}
	var left []*entity
	for _, e := range entities {
		if paired[e] {
			continue
		}
		if e.base == nil && e.row.live() && e.file != nil && m.hasBase(e.row.id) {
			m.unsure("a row was renamed to where another file is")
		}
		left = append(left, e)
	}
	return left
}

func (m *reference) hasBase(row string) bool {
	for _, base := range m.bases {
		if base.row == row {
			return true
		}
	}
	return false
}

func sameButName(a, b doc) bool {
	return a.with("slug", "").with("name", "").equal(b.with("slug", "").with("name", ""))
}

// similar: at least half of the top-level values are equal, and what a server is
// reached by is unchanged.
func similar(a, b doc) bool {
	if a["url"] != b["url"] || a["type"] != b["type"] {
		return false
	}
	a, b = topLevel(a), topLevel(b)
	equal, all := 0, len(b)
	for key, text := range a {
		switch other, has := b[key]; {
		case !has:
			all++
		case text == other:
			equal++
		}
	}
	return equal > 0 && 2*equal >= all
}

// topLevel makes one value of all entries of env, and of what SKILL.md says, and leaves
// the slug out.
func topLevel(d doc) doc {
	top, env := doc{}, doc{}
	for key, text := range d {
		switch {
		case strings.HasPrefix(key, "env."):
			env[key] = text
		case key == "body" || key == "description" && d["body"] != "":
			top[document.SkillFile] = d["description"] + d["body"]
		case key == "slug":
		default:
			top[key] = text
		}
	}
	if len(env) > 0 {
		top["env"] = env.String()
	}
	return top
}
