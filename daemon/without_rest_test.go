package daemon_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestFirstConnectionWithoutREST: git is all that a mirror needs, from its first run on. When
// REST answers again it is the same mirror: what was agreed meanwhile counts.
func TestFirstConnectionWithoutREST(t *testing.T) {
	for name, fault := range map[string]bitbuckettest.Fault{"limited": bitbuckettest.TooManyRequests(0), "down": bitbuckettest.Down(503)} {
		t.Run(name, func(t *testing.T) {
			var undo func()
			eachWorld(t, func(w *world) {
				_, err := w.repo.Commit("trunk", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start", bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
				w.must(err)
				w.must(w.repo.SetMainBranch("trunk"))
				undo = w.standIn.Inject(fault, bitbuckettest.EndpointREST)
			}, func(w *world) {
				w.insert("toolkits", "slug", "'a'", "name", "'A'")
				w.synced()
				files, err := w.repo.Files("trunk")
				w.must(err)
				if len(files) != 2 {
					t.Fatalf("trunk has %v", files)
				}
				w.stop()
				undo()
				w.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE slug = 'a'")
				w.start()
				w.synced()
				if files, err = w.repo.Files("trunk"); err != nil || len(files) != 1 {
					t.Errorf("after a deletion trunk has %v, %v", files, err)
				}
				if n := w.query("SELECT count(*) FROM bitbucket_connections WHERE repository_uuid <> ''"); n != "1" {
					t.Error("what REST tells of the repository is not known")
				}
			})
		})
	}
}

// Another repository is another place, though REST does not tell so: what the one before had
// and this one has not is copied, not deleted.
func TestAnotherRepositoryWithoutREST(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		for _, slug := range []string{"a", "b", "c"} {
			w.insert("toolkits", "slug", quote(slug), "name", "'T'")
		}
		w.synced()
		other, err := w.standIn.CreateRepository("acme-corp", "other")
		w.must(err)
		_, err = other.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "Start", bitbuckettest.Write("toolkits/a.json", `{"slug":"a","name":"T"}`))
		w.must(err)
		w.stop()
		defer w.standIn.Inject(bitbuckettest.Down(503), bitbuckettest.EndpointREST)()
		w.config.Mirrors[0].Repository = "other"
		w.start()
		w.synced()
		if n := w.query("SELECT count(*) FROM toolkits WHERE deleted_at IS NULL"); n != "3" {
			t.Errorf("%s of 3 rows are left", n)
		}
		if files, err := other.Files("main"); err != nil || len(files) != 3 {
			t.Errorf("the other repository has %v, %v", files, err)
		}
	})
}
