package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func server(slug, host, more string) bitbuckettest.Change {
	return bitbuckettest.Write("mcp-servers/"+slug+".json", `{"slug":"`+slug+`","name":"N","type":"http","url":"https://`+host+`/mcp"`+more+`}`)
}

func toolkit(slug, server string) bitbuckettest.Change {
	return bitbuckettest.Write("toolkits/"+slug+".json", `{"slug":"`+slug+`","name":"N","integrations":{"`+server+`":{"tools":["one"]}}}`)
}

// What a merge would do beyond its own files is its doing; what was wrong before is not.
func TestReviewFindsWhatFollows(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(
			server("git", "git.example", ""), server("web", "web.example", `,"tools":{"other":{"enabled":true}}`), server("keyed", "here.example", ""),
			toolkit("uses-git", "git"), toolkit("bad-already", "web"), toolkit("waits", "comes"),
			bitbuckettest.Write("commands/broken.json", "{"), command("a", "A"), command("b", "B"),
		)
		w.synced()
		w.exec(`UPDATE mcp_servers SET headers = '{"Authorization": {"secret": true, "value": "hidden-value"}}' WHERE slug = 'keyed'`)
		w.synced()
		id, source := w.open("feature",
			bitbuckettest.Remove("mcp-servers/git.json"), // leaves a toolkit dangling
			server("comes", "comes.example", ""),         // that another waits for
			server("web", "web.example", `,"description":"Of the web","tools":{"other":{"enabled":true}}`),
			bitbuckettest.Write("mcp-servers/keyed.json", `{"slug":"keyed","name":"N","type":"http","url":"https://there.example/mcp","headers":{"Authorization":{"secret":true}}}`),
			command("broken", "Mended"),
			bitbuckettest.Write("commands/token.json", `{"slug":"token","name":"T","prompt":"Use ghp_0123456789abcdefghijABCDEFGHIJ012345 for it."}`),
		)
		w.look(time.Minute)
		s, text := w.review(id, source)
		w.says(s.Description, "1 file is refused: toolkits/uses-git.json: MISSING_INTEGRATION")
		w.says(text,
			"**1 file would be refused:**\n\n- `toolkits/uses-git.json`: `MISSING_INTEGRATION`",
			"**1 file may show a credential", "- `commands/token.json`: `prompt` fits the rule",
			"- update MCP server `keyed`", "- update MCP server `web`", "- delete MCP server `git`", "- create toolkit `waits`",
			"**No longer refused:**\n\n", "- `commands/broken.json`\n", "- `toolkits/waits.json`\n",
		)
		for _, not := range []string{"bad-already", "hidden-value", "ghp_"} {
			if strings.Contains(text, not) {
				t.Errorf("it says %s:\n%s", not, text)
			}
		}
	})
}

// A rename keeps its row, and is followed on the branch afterwards.
func TestReviewOfARename(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.listen()
		w.commit(command("old", "N"), bitbuckettest.Write("toolkits/t.json", `{"slug":"t","name":"N","commands":["old"]}`),
			bitbuckettest.Write("skills/s/SKILL.md", "---\nname: s\ndescription: D\n---\n"), bitbuckettest.Write("skills/s/more.md", "More"))
		w.synced()
		id, source := w.open("feature", bitbuckettest.Remove("commands/old.json"), command("new", "N"), bitbuckettest.Remove("skills/s/SKILL.md"))
		w.look(time.Minute)
		_, text := w.review(id, source)
		w.says(text, "- rename command `new`: `was old`", "- `skills/s`: `EMPTY_DIRECTORY`", "**Afterwards confmirror commits:**\n\n- merge toolkit `t`")
		if strings.Contains(text, "delete") {
			t.Errorf("%s", text)
		}
	})
}

// Edits that wait for their export are no part of what the merge does, but where it meets them.
func TestReviewBesidePendingEdits(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.commit(command("a", "A"), command("b", "B"), command("c", "C"))
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE commands SET name = 'Pending' WHERE slug IN ('a', 'b')")
		w.sync()
		w.listen()
		id, source := w.open("feature", bitbuckettest.Write("commands/a.json", `{"slug":"a","name":"A","prompt":"Say A.","description":"D"}`), bitbuckettest.Remove("commands/c.json"))
		w.look(time.Minute)
		s, text := w.review(id, source)
		if s.Description != "1 merged, 1 deleted" {
			t.Errorf("%+v", s)
		}
		w.says(text, "- merge command `a`", "- delete command `c`")
		if strings.Contains(text, "`b`") {
			t.Errorf("%s", text)
		}
	})
}

// What would be held is said, and is no failure: nobody can approve it before the merge.
func TestReviewOfWhatWouldBeHeld(t *testing.T) {
	eachReview(t, func(w *world) { w.config.Sync.CredentialRebind = "hold" }, func(w *reviewWorld) {
		w.listen()
		changes := []bitbuckettest.Change{server("keyed", "here.example", "")}
		var removals []bitbuckettest.Change
		for i := range 20 {
			slug := fmt.Sprintf("c-%02d", i)
			changes = append(changes, command(slug, "N"+slug))
			removals = append(removals, bitbuckettest.Remove("commands/"+slug+".json"))
		}
		w.commit(changes...)
		w.synced()
		w.exec(`UPDATE mcp_servers SET headers = '{"Authorization": {"secret": true, "value": "hidden-value"}}' WHERE slug = 'keyed'`)
		w.synced()
		id, source := w.open("feature", append(removals, bitbuckettest.Write("mcp-servers/keyed.json",
			`{"slug":"keyed","name":"N","type":"http","url":"https://there.example/mcp","headers":{"Authorization":{"secret":true}}}`))...)
		w.look(time.Minute)
		s, text := w.review(id, source)
		if s.State != "SUCCESSFUL" || !strings.HasPrefix(s.Description, "21 would wait for approval") {
			t.Errorf("%+v", s)
		}
		w.says(text, "- delete command `c-00`: `held: too many deletions at once`", "- update MCP server `keyed`: `held: would hand this server's credentials from http https://here.example:443 to http https://there.example:443`")
	})
}

// A delivery that came to a daemon which does not hold the mirror reaches the one that does.
func TestReviewToldByAnotherDaemon(t *testing.T) {
	eachReview(t, nil, func(w *reviewWorld) {
		w.commit(command("a", "A"))
		w.synced()
		id, source := w.open("feature", command("a", "Theirs"))
		w.look(time.Minute)
		w.clock.advance(time.Minute)
		now := w.clock.now()
		w.must(w.db.RecordDeliveries(t.Context(), map[string]db.WebhookDeliveries{w.orgID: {DeliveredAt: now, DeliveredEvent: "pullrequest:created", PullRequestAt: now}}))
		_, err := w.db.Request(t.Context(), w.orgID)
		w.must(err)
		w.review(id, source)
	})
}
