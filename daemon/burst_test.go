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
