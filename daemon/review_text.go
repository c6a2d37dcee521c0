package daemon

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror"
)

// What a comment lists of each thing, and shows of a name.
const (
	mostListed  = 25
	longestName = 300
)

// reviewKey is the key of a pull request's build status. It is not that of a pushed commit,
// which says what became of it: the same commit may be both. Of several mirrors of a branch
// each has its own.
func reviewKey(m *mirror.Mirror) string { return ofPrefix("confmirror-pr", "/", m) }

// reviewMarker is in the mirror's comments.
func reviewMarker(m *mirror.Mirror) string {
	return mirror.CommentMarker(ofPrefix("review", " ", m))
}

func ofPrefix(name, by string, m *mirror.Mirror) string {
	if m.Identity.Prefix == "" {
		return name
	}
	return name + by + m.Identity.Prefix
}

// reviewStatus is the verdict on a pull request's source. What would wait for a person is no
// failure: nobody can approve it before it is merged.
func reviewStatus(v *mirror.Review, m *mirror.Mirror) *mirror.Status {
	s := &mirror.Status{Key: reviewKey(m), Name: "confmirror: merge into " + m.Branch(), State: mirror.StatusSuccessful}
	var parts []string
	if n := len(v.Conflicts); n > 0 {
		s.State = mirror.StatusFailed
		parts = append(parts, fmt.Sprintf("in conflict with %s: %s", m.Branch(), strings.Join(v.Conflicts[:min(n, 3)], ", ")))
	}
	if len(v.Errors) > 0 {
		s.State = mirror.StatusFailed
		var bad []string
		for _, e := range v.Errors {
			bad = append(bad, fmt.Sprintf("%s: %s: %s", e.Path, e.Problem.Code, e.Problem.Message))
		}
		parts = append(parts, refused(bad))
	}
	if v.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d would wait for approval", v.Held))
	}
	done := map[mirror.Verb]int{}
	for _, a := range v.Changes {
		if a.Direction == mirror.ToDatabase {
			done[a.Verb]++
		}
	}
	parts = append(parts, counted(done)...)
	switch {
	case v.TooMany:
		parts = append(parts, fmt.Sprintf("not checked: %d files are more than a review looks at", v.Entities))
	case len(parts) == 0:
		parts = []string{"nothing that is mirrored changes"}
	}
	s.Description = strings.Join(parts, ", ")
	return s
}

// reviewText is the comment on a pull request; worth: there is something to say.
func reviewText(v *mirror.Review, m *mirror.Mirror) (text string, worth bool) {
	c := newReviewComment(m)
	list(c, "Both sides changed the same places, so this cannot be merged yet", v.Conflicts, code)
	list(c, counting(len(v.Errors), "file", "would be refused"), v.Errors, errorLine)
	list(c, counting(len(v.Credentials), "file", "may show a credential to everybody who can read the repository: it should be renewed, and given as a secret entry"), v.Credentials, func(f mirror.Finding) string {
		return fmt.Sprintf("%s: %s fits the rule %s", code(f.Path), code(f.Field), code(f.Rule))
	})
	var imports, exports []mirror.Action
	for _, a := range v.Changes {
		if a.Direction == mirror.ToDatabase {
			imports = append(imports, a)
		} else {
			exports = append(exports, a)
		}
	}
	list(c, "Merging this changes in the database", imports, actionLine)
	list(c, "Afterwards confmirror commits", exports, actionLine)
	list(c, "No longer refused", v.Cleared, code)
	if v.TooMany {
		c.say("This changes %d mirrored files, which is more than a review looks at. It was not checked; `confmirror validate` does it in a pipeline.", v.Entities)
	}
	worth = c.said > 0
	switch {
	case !worth:
		c.say("Nothing that is mirrored changes.")
	case len(v.Conflicts)+len(v.Errors) == 0 && !v.TooMany:
		c.say("All files are valid.")
	}
	c.say("Checked: %s", code(string(v.Source[:min(len(v.Source), 12)])))
	return c.text.String(), worth
}

// forkText is the comment on a fork's pull request.
func forkText(m *mirror.Mirror, fork string) string {
	c := newReviewComment(m)
	c.say("This pull request was not checked: its commits are in %s, which this daemon may not read. "+
		"To have it checked before it is merged, push the branch to this repository, or run `confmirror validate` where it is.", code(fork))
	return c.text.String()
}

// reviewComment is a comment in Markdown. Whatever comes from the repository is in code
// spans: there it can neither be a link, nor mention anybody, nor be HTML.
type reviewComment struct {
	text strings.Builder
	said int
}

func newReviewComment(m *mirror.Mirror) *reviewComment {
	c := &reviewComment{}
	c.text.WriteString(reviewMarker(m) + "\n\n**confmirror**, which mirrors " + code(m.Branch()))
	if prefix := m.Identity.Prefix; prefix != "" {
		c.text.WriteString(" below " + code(prefix))
	}
	c.text.WriteString(":\n")
	return c
}

func (c *reviewComment) say(format string, args ...any) {
	fmt.Fprintf(&c.text, "\n"+format+"\n", args...)
	c.said++
}

// list says the first of something, if there is any.
func list[T any](c *reviewComment, title string, of []T, line func(T) string) {
	if len(of) == 0 {
		return
	}
	c.say("**%s:**\n", title)
	for _, v := range of[:min(len(of), mostListed)] {
		c.text.WriteString("- " + line(v) + "\n")
	}
	if more := len(of) - mostListed; more > 0 {
		fmt.Fprintf(&c.text, "- and %d more\n", more)
	}
}

func counting(n int, noun, what string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s %s", n, noun, what)
}

func errorLine(e mirror.FileError) string {
	where := ""
	if e.InDatabase {
		where = "in the database, "
	}
	return fmt.Sprintf("%s: %s%s %s", code(e.Position()), where, code(string(e.Problem.Code)), code(e.Problem.Message))
}

func actionLine(a mirror.Action) string {
	line := fmt.Sprintf("%s %s %s", a.Verb, a.Kind.Singular(), code(a.Slug))
	if a.Detail != "" {
		line += ": " + code(a.Detail)
	}
	return line
}

// code shows a text as it is, on one line and bounded. Hosts differ in what a backtick
// within a code span needs, so it becomes an apostrophe; what changes the direction of
// writing, or shows as nothing, becomes visible.
func code(text string) string {
	var shown strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(text, string(utf8.RuneError)) {
		if n++; n > longestName {
			shown.WriteString("…")
			break
		}
		switch {
		case r == '`':
			r = '\''
		case !unicode.IsPrint(r):
			r = utf8.RuneError
		}
		shown.WriteRune(r)
	}
	if strings.TrimSpace(shown.String()) == "" {
		return "(empty)"
	}
	return "`" + shown.String() + "`"
}
