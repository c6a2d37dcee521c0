package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// TestThousandsOfBadFiles_I1_P10: each is told once, with the requests that one file
// takes, and the run's row and the log stay short; the next run costs nothing.
func TestThousandsOfBadFiles_I1_P10(t *testing.T) {
	const n = 2500
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'row'", "name", "'Row'")
		w.synced()
		var changes []bitbuckettest.Change
		for i := range n {
			text := []string{`{"slug":"bad-%d",`, `{"slug":"bad-%d"}`, `{"slug":"bad-%d","name":"N","integrations":{"missing":{}}}`}[i%3]
			changes = append(changes, bitbuckettest.Write(fmt.Sprintf("toolkits/bad-%d.json", i), fmt.Sprintf(text, i)))
		}
		w.commit(append(changes, bitbuckettest.Write("toolkits/good.json", `{"slug":"good","name":"Good"}`))...)
		before, told := w.standIn.Count(), w.standIn.Count(bitbuckettest.EndpointREST)
		report := w.synced()
		if report["errors"].(float64) != n || report["imported"].(float64) != 1 {
			w.t.Errorf("%v errors, %v imported", report["errors"], report["imported"])
		}
		recorded := w.get("mirror/runs/" + report["run_id"].(string))
		if listed := len(recorded["actions"].([]any)); listed != 1000 || recorded["actions_left_out"].(float64) != n+1-1000 {
			w.t.Errorf("%d actions are recorded, %v left out", listed, recorded["actions_left_out"])
		}
		warned := 0
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, "run="+report["run_id"].(string)) && strings.Contains(line, "level=WARN") {
				warned++
			}
		}
		if warned != 21 || !strings.Contains(w.log.String(), "what=refused more=2480") {
			w.t.Errorf("%d warnings of the run", warned)
		}
		all := w.standIn.Count() - before // first: the status may come in between
		told = w.standIn.Count(bitbuckettest.EndpointREST) - told
		if requests := all - told; requests > 3 { // the refs, the objects, and the refs again for the second part
			w.t.Errorf("%d requests", requests)
		}
		if told > 1 { // the commit's build status
			w.t.Errorf("%d requests of REST", told)
		}
		if rows := w.query("SELECT count(*) FROM rejected_files"); rows != fmt.Sprint(n) || w.mirror()["errors"].(float64) != n {
			w.t.Errorf("%s rejected files, mirror %v", rows, w.mirror())
		}
		w.quiet()
		w.checkClone()
		w.exec("UPDATE toolkits SET name = 'Edited'")
		if report := w.synced(); report["errors"].(float64) != 0 {
			w.t.Errorf("an export judges what nobody touched: %v errors", report["errors"])
		}
		for _, slug := range []string{"row", "good"} {
			if !w.branchHas("toolkits/"+slug+".json", "Edited") {
				w.t.Errorf("%s is not exported", slug)
			}
		}
		// What they missed appears: a third of them comes in at once.
		w.insert("mcp_servers", "slug", "'missing'", "name", "'M'", "type", "'stdio'", "command", "'x'")
		w.synced()
		if rows := w.query("SELECT count(*) FROM toolkits"); rows != fmt.Sprint(2+n/3) {
			w.t.Errorf("%s toolkits", rows)
		}
		changes = nil
		for i := range n {
			if i%3 != 2 {
				changes = append(changes, bitbuckettest.Remove(fmt.Sprintf("toolkits/bad-%d.json", i)))
			}
		}
		w.commit(changes...)
		w.synced()
		if rows := w.query("SELECT count(*) FROM rejected_files"); rows != "0" || w.mirror()["errors"].(float64) != 0 {
			w.t.Errorf("%s rejected files, mirror %v", rows, w.mirror())
		}
		w.quiet()
		w.checkClone()
	})
}
