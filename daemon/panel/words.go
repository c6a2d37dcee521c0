package panel

import (
	"cmp"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// shownState is a mirror's state for people. Colour alone tells nothing: Mark is a
// character that differs, too.
type shownState struct{ Tone, Mark, Words string }

var shownStates = map[mirror.StateName]shownState{
	mirror.StateOK:           {"good", "✓", "In sync"},
	mirror.StateSyncing:      {"busy", "↻", "Syncing"},
	mirror.StateError:        {"bad", "!", "Trying again"},
	mirror.StateBlocked:      {"bad", "✕", "Blocked"},
	mirror.StateHeld:         {"warn", "?", "Waits for a decision"},
	mirror.StatePaused:       {"quiet", "‖", "Paused"},
	mirror.StateDisconnected: {"quiet", "–", "Not connected"},
}

func stateShown(name mirror.StateName) shownState {
	if s, ok := shownStates[name]; ok {
		return s
	}
	return shownState{"quiet", "?", string(name)}
}

// ago says how long ago a moment was; the title says when exactly.
func ago(now, then time.Time) template.HTML {
	if then.IsZero() {
		return "never"
	}
	exact := then.UTC().Format(time.RFC3339)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, exact, exact, since(now.Sub(then))))
}

func since(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds ago", d/time.Second)
	case d < 2*time.Minute:
		return "a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 2*time.Hour:
		return "an hour ago"
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

var pushWords = map[mirror.PushMode]string{
	mirror.PushDirect:      "are pushed to the branch",
	mirror.PushPullRequest: "are proposed in a pull request",
	mirror.PushAuto:        "are pushed; proposed where the branch takes no pushes",
}

// heldWords says what would happen to a held entity.
func heldWords(item db.HeldItem) string {
	switch {
	case item.Reason == mirror.ReasonRebind:
		return "the branch would hand its credentials to another host or command"
	case item.Reason == mirror.ReasonDeclined:
		return "was declined; approving proposes it once more"
	case item.Direction == mirror.ToGit:
		return "its file would be deleted"
	}
	return "it would be deleted in the database"
}

var reasonWords = map[mirror.ConflictReason]string{
	mirror.ConflictBothChanged:      "Both sides changed the same place",
	mirror.ConflictReplaced:         "One side has another entity of that name",
	mirror.ConflictHistoryRewritten: "The branch's history was rewritten",
	mirror.ConflictPrivate:          "It became private, and git has a newer document",
	mirror.ConflictInvalidMerge:     "What both sides changed is not valid together",
	mirror.ConflictTaken:            "A person gave all of it to one side",
}

// reasonShown says why a conflict was kept.
func reasonShown(r mirror.ConflictReason) string { return cmp.Or(reasonWords[r], string(r)) }

// didShown says what a run did; "" is nothing.
func didShown(r *mirror.Report) string {
	var parts []string
	add := func(n int, one, many string) {
		if n > 0 {
			parts = append(parts, count(n, one, many))
		}
	}
	add(r.Exported, "to git", "to git")
	add(r.Imported, "to the database", "to the database")
	add(r.Deleted, "deleted", "deleted")
	add(r.Merged, "merged", "merged")
	add(r.Conflicts, "conflict", "conflicts")
	add(r.Errors, "error", "errors")
	return strings.Join(parts, ", ")
}

// coded is a text whose parts between backticks are what somebody types.
func coded(text string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	if len(parts)%2 == 0 { // one has no partner
		return template.HTML(strings.Join(parts, "`"))
	}
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return template.HTML(strings.Join(parts, ""))
}

// documentText is one side of a conflict, as far as it is shown.
func documentText(d *document.Document) string {
	switch {
	case d == nil:
		return "(nothing)"
	case d.Kind != document.Skills:
		return cut(string(document.Encode(withoutSecrets(d, nil))))
	}
	var b strings.Builder
	for i, f := range d.Files {
		if b.Len() > maxShown {
			fmt.Fprintf(&b, "⋯ and %s, not shown\n", count(len(d.Files)-i, "file", "files"))
			break
		}
		if f.IsText() && len(f.Content) <= maxShown {
			fmt.Fprintf(&b, "── %s\n%s\n", f.Path, f.Content)
		} else {
			fmt.Fprintf(&b, "── %s: %d bytes\n", f.Path, len(f.Content))
		}
	}
	return b.String()
}

// cut ends a text where it is longer than what is shown.
func cut(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown], "") + fmt.Sprintf("\n⋯ and %s, not shown\n", count(len(text)-maxShown, "byte", "bytes"))
}
