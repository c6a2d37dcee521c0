package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// A long list is cut where it still says what there is, and stays within what hosts take:
// 255 characters of title, 32,768 of text.
func TestTextOfALargeProposal(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		const many = 150
		long := strings.Repeat("x", 120)
		w.call("POST", "mirror/pause", nil)
		for n := range many {
			w.insert("toolkits", "slug", quote(fmt.Sprintf("%s-%03d", long, n)), "name", "'New'")
		}
		w.call("POST", "mirror/resume", nil)
		w.synced()
		pr := w.pullRequest()
		if n := strings.Count(pr.Description, "\n- Add toolkit "); n != 100 || !strings.Contains(pr.Description, "\n- and 50 more\n") || !strings.Contains(pr.Description, "If it is declined") {
			w.t.Errorf("%d entities are listed:\n%s", n, pr.Description)
		}
		if pr.Title != "Add 150 toolkits" || utf8.RuneCountInString(pr.Description) > 32_768 {
			w.t.Errorf("%q, %d characters", pr.Title, utf8.RuneCountInString(pr.Description))
		}
		_, err := w.repo.Merge(pr.ID, "squash")
		w.must(err)
		w.synced()

		// The longest lines there are.
		w.exec("UPDATE toolkits SET slug = 'r' || slug")
		w.synced()
		pr = w.pullRequest()
		if n := utf8.RuneCountInString(pr.Description); n > 32_768 || !strings.HasPrefix(pr.Title, "Rename 150 toolkits") {
			w.t.Errorf("%q, %d characters", pr.Title, n)
		}
		w.synced()
		_, err = w.repo.Merge(pr.ID, "merge_commit")
		w.must(err)
		w.synced()
		w.atRest()
	})
}

// The longest title is one entity's.
func TestTextOfALongName(t *testing.T) {
	eachWorld(t, byPullRequest, func(w *world) {
		long := strings.Repeat("y", 128)
		w.exec("UPDATE commands SET slug = %s", quote(long))
		w.synced()
		pr := w.pullRequest()
		if n := utf8.RuneCountInString(pr.Title); n > 255 || !strings.HasPrefix(pr.Title, "Rename command old to yyy") {
			w.t.Errorf("%d characters: %q", n, pr.Title)
		}
		_, err := w.repo.Merge(pr.ID, "squash")
		w.must(err)
		w.synced()
		w.exec("UPDATE commands SET slug = %s", quote("z"+long[1:]))
		w.synced()
		if pr = w.pullRequest(); utf8.RuneCountInString(pr.Title) > 255 || !strings.Contains(pr.Description, "commands/zyy") {
			w.t.Errorf("%q\n%s", pr.Title, pr.Description)
		}
		w.atRest()
	})
}
