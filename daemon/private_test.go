package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
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

// The push that takes a private row's file away never arrives, and a person moves that
// file meanwhile: it leaves the branch from where it is now, and is nobody's new row.
func TestPrivateRowWhoseFileWasMoved(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'b'", "name", "'Kit'", "description", "'what it does'")
		w.synced()
		undo := w.standIn.Inject(bitbuckettest.Fault{Repository: w.repo.FullName(), Status: 503, Body: "down"}, bitbuckettest.EndpointPush)
		w.exec("UPDATE toolkits SET owner_id = %s", quote(w.orgID))
		w.sync()
		w.commit(bitbuckettest.Remove("toolkits/b.json"),
			bitbuckettest.Write("toolkits/c.json", `{"slug": "c", "name": "Kit", "description": "what it does"}`))
		undo()
		w.synced()
		w.wantNoFile("toolkits/c.json")
		if n := w.query("SELECT count(*) FROM toolkits"); n != "1" {
			t.Errorf("%s rows, want the private one alone", n)
		}
		w.quiet()
	})
}
