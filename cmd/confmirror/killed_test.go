package main_test

import (
	"testing"
	"time"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// eventually waits for what happens by itself.
func (k *killWorld) eventually(what string, limit time.Duration, ok func() bool) {
	k.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			k.t.Fatalf("did not happen within %s: %s", limit, what)
		}
	}
}

// killDuringPush lets a daemon push and kills it between the server's update of the
// branch and its own reading of the answer.
func (k *killWorld) killDuringPush() {
	k.t.Helper()
	before, err := k.repo.Head("main")
	k.must(err)
	asked := make(chan struct{}, 1)
	var undo func()
	k.standIn.Inject(bitbuckettest.Fault{Times: 1, CutAnswer: true, Do: func() {
		// With its answer lost, the daemon asks what became of the push, and gets stuck.
		undo = k.standIn.Inject(bitbuckettest.Fault{Stall: true, Do: func() {
			select {
			case asked <- struct{}{}:
			default:
			}
		}}, bitbuckettest.EndpointFetch)
	}}, bitbuckettest.EndpointPush)
	p := k.serve(k.homes[0])
	select {
	case <-asked:
	case err := <-p.gone:
		k.t.Fatalf("the daemon ended by itself: %v\n%s", err, p.log.String())
	}
	k.must(p.kill())
	undo()
	if after, err := k.repo.Head("main"); err != nil || after == before {
		k.t.Fatalf("the push did not arrive: %v", err)
	}
}

// A push that arrived before its daemon was killed is agreed: what a person does on
// top of it is an edit of theirs, and no conflict with our own.
func TestKilledBetweenAPushAndItsAnswer_E6(t *testing.T) {
	for _, c := range []struct {
		name string
		text string // what a person makes of the file meanwhile
		want string // name and description
	}{
		{name: "nothing on top", want: "Kit/new"},
		{name: "another place", text: `{"slug": "a", "name": "Theirs", "description": "new"}`, want: "Theirs/new"},
		{name: "the same place", text: `{"slug": "a", "name": "Kit", "description": "theirs"}`, want: "Kit/theirs"},
		{name: "what it was before", text: `{"slug": "a", "name": "Kit", "description": "old"}`, want: "Kit/old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
				k := newKillWorld(t, target, nil)
				id := k.insert("a", "old")
				k.settle(k.homes[0])
				k.exec("UPDATE toolkits SET description = 'new' WHERE id = '%s'", id)
				k.killDuringPush()
				commits := 2
				if c.text != "" {
					_, err := k.repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "By hand", bitbuckettest.Write("toolkits/a.json", c.text))
					k.must(err)
					commits++
				}
				k.judge()
				if n := len(k.log()); n != commits {
					t.Errorf("%d commits, want %d", n, commits)
				}
				doc := document(k.files()["toolkits/a.json"])
				row := k.query("SELECT name || '/' || description FROM toolkits WHERE id = '%s'", id)
				if file := doc["name"].(string) + "/" + doc["description"].(string); file != c.want || row != c.want {
					t.Errorf("file %q, row %q, want %q", file, row, c.want)
				}
			})
		})
	}
}

// What a killed daemon held is another one's half a minute later, and the dead one's
// clone is nobody's trouble when it comes back.
func TestAnotherDaemonTakesOver_L10_S2(t *testing.T) {
	k := newKillWorld(t, dbtest.Target{Dialect: "postgres", URL: dbtest.Postgres(t)}, nil)
	id := k.insert("a", "old")
	first := k.serve(k.homes[0])
	holder := func() string { return k.query("SELECT holder FROM bitbucket_connections") }
	k.eventually("the first daemon exports", time.Minute, func() bool { return k.files()["toolkits/a.json"] != "" })
	dead := holder()
	second := k.serve(k.homes[1])
	k.eventually("the second daemon is known", time.Minute, func() bool { return k.query("SELECT count(*) FROM mirror_daemons") == "2" })
	k.must(first.kill())
	k.exec("UPDATE toolkits SET description = 'new' WHERE id = '%s'", id)
	k.eventually("the second daemon takes over", 30*time.Second, func() bool {
		return document(k.files()["toolkits/a.json"])["description"] == "new"
	})
	if now := holder(); now == dead || now == "" {
		t.Errorf("the holder is %q, the dead one was %q", now, dead)
	}
	k.alive([]*process{second})
	k.must(second.kill())
	k.judge()
}
