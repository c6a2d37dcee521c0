package daemon_test

import (
	"strings"
	"testing"
)

func TestPrivateRowShowsThatItsFileIsStillThere(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.synced()
		w.repo.Restrict("main")
		w.exec("UPDATE toolkits SET owner_id = %s", quote(w.orgID))
		w.sync()
		if got := w.query("SELECT git_integration FROM toolkits"); !strings.Contains(got, "removal") {
			t.Errorf("git_integration while the branch has the file: %s", got)
		}
		w.repo.Unrestrict()
		w.synced()
		w.wantNoFile("toolkits/a.json")
		if got := w.query("SELECT git_integration FROM toolkits"); strings.Contains(got, "pending") {
			t.Errorf("git_integration once it is gone: %s", got)
		}
	})
}
