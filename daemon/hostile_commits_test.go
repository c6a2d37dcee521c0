package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestHostileCommits: who made a commit, when, in which encoding and with which
// words is nothing to the mirror. What the commit holds is imported, and our own
// commits go on top.
func TestHostileCommits(t *testing.T) {
	const ada = "Ada <ada@example.com> 1700000000 +0000"
	plain := "author " + ada + "\ncommitter " + ada + "\n"
	commits := []struct{ name, rest string }{
		{"no email", "author Ada 1700000000 +0000\ncommitter Ada 1700000000 +0000\n\nm"},
		{"empty name and email", "author  <> 1700000000 +0000\ncommitter  <> 1700000000 +0000\n\nm"},
		{"half an email", "author Ada <ada 1700000000 +0000\ncommitter > < 1700000000 +0000\n\nm"},
		{"no author", "committer " + ada + "\n\nm"},
		{"no committer", "author " + ada + "\n\nm"},
		{"nobody", "\nm"},
		{"no time", "author Ada <ada@example.com>\ncommitter Ada <ada@example.com>\n\nm"},
		{"time that is none", "author Ada <ada@example.com> yesterday noon\ncommitter Ada <ada@example.com> 0x10 UTC\n\nm"},
		{"time before all times", "author Ada <ada@example.com> -99999999999 +0000\ncommitter Ada <ada@example.com> 0 -0000\n\nm"},
		{"time after all times", "author Ada <ada@example.com> 99999999999999999999 +9999\ncommitter Ada <ada@example.com> 9223372036854775807 +140000\n\nm"},
		{"latin", "author Andr\xe9 <andr\xe9@example.com> 1700000000 +0000\ncommitter Andr\xe9 <a@example.com> 1700000000 +0000\nencoding ISO-8859-1\n\nFa\xe7ade\n"},
		{"latin that says nothing", "author Andr\xe9 <a@example.com> 1700000000 +0000\ncommitter \xff\xfe <a@example.com> 1700000000 +0000\n\nFa\xe7ade\n"},
		{"an encoding that nobody knows", plain + "encoding martian\n\n\x80\x81"},
		{"control characters", "author A\x1b[31md\ra <a@example.com> 1700000000 +0000\ncommitter " + ada + "\n\n\x07\x1b]0;title\x07"},
		{"NUL in the message", plain + "\na\x00b"},
		{"no message", plain},
		{"a message of two megabytes", plain + "\n" + strings.Repeat("long ", 400000)},
		{"a trailer that is ours", plain + "\nUpdate toolkit a\n\nConfmirror-Run: 00000000-0000-0000-0000-000000000000\n"},
		{"a signature", plain + "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n\nm"},
		{"headers from the future", plain + "x-future one\n two\nempty \n\nm"},
		{"author twice", "author " + ada + "\n" + plain + "\nm"},
	}
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'row'", "name", "'Row'")
		w.synced()
		for i, c := range commits {
			parent, err := w.repo.Head("main")
			w.must(err)
			slug := fmt.Sprintf("c%d", i)
			head := w.commit(bitbuckettest.Write("toolkits/"+slug+".json", `{"slug":"`+slug+`","name":"N"}`))
			tree, err := w.repo.Git("rev-parse", string(head)+"^{tree}")
			w.must(err)
			if !w.setMain(w.object("commit", fmt.Sprintf("tree %sparent %s\n%s", tree, parent, c.rest)), string(head)) {
				w.t.Fatalf("%s: the branch moved", c.name)
			}
			if report := w.sync(); report["state"] != "ok" || report["imported"].(float64) != 1 {
				w.t.Fatalf("%s: %v, mirror %v", c.name, report, w.mirror())
			}
			w.exec("UPDATE toolkits SET name = %s WHERE slug IN ('row', %s)", quote("N "+c.name), quote(slug))
			if report := w.sync(); report["state"] != "ok" || !w.branchHas("toolkits/row.json", c.name) || !w.branchHas("toolkits/"+slug+".json", c.name) {
				w.t.Fatalf("%s: nothing goes out on top of it: %v, mirror %v", c.name, report, w.mirror())
			}
			w.wantClean()
		}
		w.quiet()
		// A clone made anew reads the whole history.
		w.stop()
		w.must(os.RemoveAll(w.cloneDir()))
		w.start()
		w.exec("UPDATE toolkits SET name = 'Last' WHERE slug = 'row'")
		w.synced()
		if !w.branchHas("toolkits/row.json", "Last") {
			w.t.Error("nothing is exported from a clone made anew")
		}
		w.quiet()
		w.wantClean()
	})
}
