package mirror

import (
	"fmt"
	"sort"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// commits groups the exports: one commit each up to a number, one for each kind
// beyond it. Exports whose paths touch (a chain of renames, a swap) go into one
// commit, since between them the tree would not be what anyone meant. So one commit
// holds all that a push changes of an entity.
func (a *apply) commits() []CommitSpec {
	var groups [][]*export
	if len(a.exports) <= a.Rules.SplitCommitsUpTo {
		groups = entangled(a.exports)
	} else {
		for _, kind := range document.Kinds {
			var group []*export
			for _, e := range a.exports {
				if e.Kind == kind {
					group = append(group, e)
				}
			}
			if len(group) > 0 {
				groups = append(groups, group)
			}
		}
	}
	specs := make([]CommitSpec, len(groups))
	for i, group := range groups {
		for _, e := range group {
			e.spec = i
		}
		specs[i] = a.commit(group)
	}
	return specs
}

// entangled splits exports into the smallest groups that share no path.
func entangled(exports []*export) [][]*export {
	group := make(map[string]int)
	var groups [][]*export
	for _, e := range exports {
		into := -1
		for _, path := range []string{e.from, e.path} {
			if g, ok := group[path]; ok && path != "" {
				if into >= 0 && g != into {
					groups[into] = append(groups[into], groups[g]...)
					groups[g] = nil
					for p, other := range group {
						if other == g {
							group[p] = into
						}
					}
					continue
				}
				into = g
			}
		}
		if into < 0 {
			into = len(groups)
			groups = append(groups, nil)
		}
		groups[into] = append(groups[into], e)
		group[e.path] = into
		if e.from != "" {
			group[e.from] = into
		}
	}
	var filled [][]*export
	for _, g := range groups {
		if len(g) > 0 {
			filled = append(filled, g)
		}
	}
	return filled
}

func (a *apply) commit(group []*export) CommitSpec {
	spec := CommitSpec{Message: message(group, a.req.RunID), Author: a.author(group)}
	var writes []FileChange
	for _, e := range group {
		for _, c := range e.changes {
			if c.Delete {
				spec.Changes = append(spec.Changes, c)
			} else {
				writes = append(writes, c)
			}
		}
	}
	// Deletions first: a path that one entity leaves may be another's new one.
	spec.Changes = append(spec.Changes, writes...)
	return spec
}

// author is the person that the writes name, if they all name the same.
func (a *apply) author(group []*export) Signature {
	person := ""
	for i, e := range group {
		by := ""
		if e.Named && e.Row != nil {
			by = e.Row.UpdatedBy
		}
		if i > 0 && by != person {
			person = ""
			break
		}
		person = by
	}
	author := a.Committer
	if person != "" {
		author = ParseAuthor(person)
	}
	author.When = a.Now()
	return author
}

// ParseAuthor reads "Name <email>", an address, or any identifier.
func ParseAuthor(by string) Signature {
	name, email := by, ""
	if open := strings.LastIndexByte(by, '<'); open >= 0 {
		name, email = by[:open], strings.TrimSuffix(strings.TrimSpace(by[open+1:]), ">")
	} else if at := strings.IndexByte(by, '@'); at > 0 && !strings.ContainsAny(by, " \t") {
		name, email = by[:at], by
	}
	clean := func(s string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' || r == '\u2028' || r == '\u2029' {
				return -1
			}
			return r
		}, s))
	}
	name, email = clean(name), clean(email)
	if name == "" {
		name = email
	}
	if name == "" {
		name = "unknown"
	}
	if email == "" {
		email = "noreply@confmirror.invalid"
	}
	return Signature{Name: name, Email: email}
}

var commitVerbs = map[Verb]string{
	VerbCreate: "Add", VerbUpdate: "Update", VerbMerge: "Update", VerbConflict: "Update",
	VerbDelete: "Delete", VerbRename: "Rename",
}

// message says what a commit changes.
func message(group []*export, runID string) string {
	var b strings.Builder
	if len(group) == 1 {
		b.WriteString(line(group[0]))
	} else {
		b.WriteString(summary(group))
		b.WriteString("\n")
		for _, e := range group {
			b.WriteString("\n" + line(e))
		}
	}
	fmt.Fprintf(&b, "\n\nConfmirror-Run: %s\n", runID)
	return b.String()
}

func line(e *export) string {
	verb := commitVerbs[e.verb]
	if e.from != "" {
		return fmt.Sprintf("Rename %s %s to %s", e.Kind.Singular(), e.file().Slug, e.Slug())
	}
	return fmt.Sprintf("%s %s %s", verb, e.Kind.Singular(), e.Slug())
}

// summary counts: "Update 3 toolkits, add 2 skills".
func summary(group []*export) string {
	type what struct {
		verb string
		kind document.Kind
	}
	counts := map[what]int{}
	for _, e := range group {
		verb := commitVerbs[e.verb]
		if e.from != "" {
			verb = "Rename"
		}
		counts[what{verb, e.Kind}]++
	}
	all := make([]what, 0, len(counts))
	for w := range counts {
		all = append(all, w)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if counts[a] != counts[b] {
			return counts[a] > counts[b]
		}
		return a.verb+string(a.kind) < b.verb+string(b.kind)
	})
	parts := make([]string, len(all))
	for i, w := range all {
		verb := w.verb
		if i > 0 {
			verb = strings.ToLower(verb)
		}
		noun := w.kind.Singular()
		if counts[w] > 1 {
			noun = w.kind.Plural()
		}
		parts[i] = fmt.Sprintf("%s %d %s", verb, counts[w], noun)
	}
	return strings.Join(parts, ", ")
}
