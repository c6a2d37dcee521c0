package daemon_test

import "testing"

// TestHostileModes: an entry of a mode that git does not know is another repository's
// business to git, which never sends its object. It must not stop the mirror.
func TestHostileModes_I1(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("commands", "slug", "'c'", "name", "'C'", "prompt", "'Do.'")
		w.synced()
		w.plant("toolkits", "40000", w.tree(
			leaf{mode: "644", name: "bare.json", content: `{"slug":"bare","name":"B"}`},
			leaf{name: "good.json", content: `{"slug":"good","name":"G"}`},
			leaf{mode: "140000", name: "socket.json", content: "x"}))
		w.plant("docs", "40000", w.tree(leaf{mode: "20000", name: "device", content: "y"}))
		w.synced()
		if got := w.query("SELECT name FROM toolkits WHERE slug = 'good'"); got != "G" {
			t.Errorf("the good file was not imported: %q", got)
		}
		w.wantRejected("toolkits", map[string]string{"toolkits/bare.json": "FETCH_FAILED", "toolkits/socket.json": "FETCH_FAILED"})
		w.exec("UPDATE commands SET name = 'C2'")
		w.synced()
		if !w.branchHas("commands/c.json", "C2") {
			t.Error("exports stopped")
		}
		w.wantClean()
		w.quiet()
	})
}
