package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestBurstsGoOutInParts: more changes than one part holds become a few pushes, each
// whole, within one run; deletions and renames among them are judged together.
func TestBurstsGoOutInParts(t *testing.T) {
	const n = 3000 // two parts
	eachWorld(t, nil, func(w *world) {
		org := w.query("SELECT id FROM organizations WHERE slug = 'acme'")
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("('%s', 't-%04d', 'Toolkit %d')", org, i, i)
		}
		w.exec("INSERT INTO toolkits (organization_id, slug, name) VALUES %s", strings.Join(rows, ", "))
		w.synced() // or a run that the database's notification began
		if got := w.query("SELECT sum(exported) FROM sync_runs"); got != fmt.Sprint(n) {
			w.t.Errorf("%s exported", got)
		}
		if pushes := w.standIn.Count(bitbuckettest.EndpointPush); pushes != 2 {
			w.t.Errorf("%d pushes", pushes)
		}
		w.quiet()
		w.checkClone()

		// The last changes of the burst are a rename, and a row in the place that it left.
		w.exec("UPDATE toolkits SET name = 'Edited ' || slug WHERE slug < 't-2900'")
		w.exec("UPDATE toolkits SET slug = 'moved' WHERE slug = 't-2999'")
		w.exec("UPDATE toolkits SET slug = 't-2999' WHERE slug = 't-2998'")
		w.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 't-2997'")
		w.synced()
		for path, want := range map[string]string{"moved": "Toolkit 2999", "t-2999": "Toolkit 2998", "t-0000": "Edited t-0000", "t-2899": "Edited t-2899"} {
			if !w.branchHas("toolkits/"+path+".json", want) {
				w.t.Errorf("%s is not %q", path, want)
			}
		}
		w.wantNoFile("toolkits/t-2998.json")
		w.wantNoFile("toolkits/t-2997.json")
		w.quiet()
		w.checkClone()
	})
}

// TestBurstsComeInInParts: a push that brings more than one part holds is imported within
// one run, what is named before what names it; the cursor waits for all of it.
func TestBurstsComeInInParts(t *testing.T) {
	const n = 1300 // of two kinds: two parts
	eachWorld(t, nil, func(w *world) {
		var files []bitbuckettest.Change
		for i := range n {
			files = append(files,
				bitbuckettest.Write(fmt.Sprintf("toolkits/t-%04d.json", i), fmt.Sprintf(`{"slug": "t-%04d", "name": "T", "integrations": {"s-%04d": {}}}`, i, i)),
				bitbuckettest.Write(fmt.Sprintf("mcp-servers/s-%04d.json", i), fmt.Sprintf(`{"slug": "s-%04d", "name": "S", "type": "http", "url": "https://example.com/%d"}`, i, i)))
		}
		head := w.commit(files...)
		w.synced()
		for query, want := range map[string]string{
			"SELECT count(*) FROM toolkits":                      fmt.Sprint(n),
			"SELECT count(*) FROM mcp_servers":                   fmt.Sprint(n),
			"SELECT sum(imported) FROM sync_runs":                fmt.Sprint(2 * n),
			"SELECT sum(errors) FROM sync_runs":                  "0",
			"SELECT count(*) FROM mirror_unsettled":              "0",
			"SELECT imported_from FROM bitbucket_connections":    "[]",
			"SELECT cursor_commit FROM bitbucket_connections":    string(head),
			"SELECT count(*) FROM sync_runs WHERE exported <> 0": "0",
		} {
			if got := w.query("%s", query); got != want {
				w.t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		w.quiet()
		w.checkClone()
	})
}
