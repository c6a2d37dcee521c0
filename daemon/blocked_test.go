package daemon_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// stepped is a daemon whose runs a test makes itself, by a clock that it sets.
type stepped struct {
	*world
	clock  *clockwork
	daemon *daemon.Daemon
}

// eachStepped runs a test on both databases, with a mirror that has not run yet.
func eachStepped(t *testing.T, prepare func(w *world), test func(s *stepped)) {
	t.Helper()
	each(t, func(t *testing.T, target dbtest.Target) {
		s := &stepped{world: newWorld(t, target), clock: &clockwork{start: time.Now()}}
		s.now = s.clock.now
		if prepare != nil {
			prepare(s.world)
		}
		_, err := daemon.Connect(t.Context(), s.db, s.config.Mirrors)
		s.must(err)
		o, err := s.db.Organization(t.Context(), "acme")
		s.must(err)
		s.orgID = o.ID
		s.restart()
		t.Cleanup(func() {
			s.daemon.Leave()
			if t.Failed() {
				t.Logf("log:\n%s", s.log.String())
			}
		})
		test(s)
	})
}

// restart is another process of the same installation, and its first run of each mirror.
func (s *stepped) restart() {
	s.t.Helper()
	if s.daemon != nil {
		s.daemon.Leave()
	}
	s.daemon = s.newDaemon(nil)
	s.must(s.daemon.Take(s.t.Context()))
}

func (s *stepped) step(id string, n daemon.Nudge) error {
	s.t.Helper()
	r, _ := s.daemon.Step(s.t.Context(), id, n)
	return r.Err
}

var (
	starts    = daemon.Nudge{Trigger: "start", Look: true}
	polls     = daemon.Nudge{Trigger: "poll", Look: true}
	changes   = daemon.Nudge{Trigger: "database"}
	person    = daemon.Nudge{Trigger: "request", Look: true, Record: true, Person: true}
	delivered = daemon.Nudge{Trigger: "webhook", Look: true, Delivery: true}
)

// minutes polls a mirror once a minute, and tells it of a change of the database each time.
func (s *stepped) minutes(n int, ids ...string) {
	s.t.Helper()
	for range n {
		s.clock.advance(time.Minute)
		for _, id := range ids {
			s.step(id, changes)
			s.step(id, polls)
		}
	}
}

// asked counts the requests to the stand-in while do works.
func (s *stepped) asked(do func()) int {
	s.t.Helper()
	before := s.standIn.Count()
	do()
	return s.standIn.Count() - before
}

// obstacle blocks a mirror until it is taken away.
type obstacle struct {
	code  string
	block func(s *stepped) (unblock func())
	// most requests of an hour, and of a single try.
	most, each int
}

func refuseGit(status int, body string) func(s *stepped) func() {
	return func(s *stepped) func() {
		return s.standIn.Inject(bitbuckettest.Fault{Status: status, Body: body}, bitbuckettest.GitEndpoints...)
	}
}

var obstacles = map[string]obstacle{
	"wrong secret": {"CONNECTION_FAILED", func(s *stepped) func() {
		m := s.config.Mirrors[0]
		s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: m.ClientID, Secret: "another"})
		s.standIn.RevokeTokens()
		return func() {
			s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: m.ClientID, Secret: m.ClientSecret.Reveal()})
		}
	}, 7, 2},
	"public consumer": {"CONNECTION_FAILED", func(s *stepped) func() {
		m := s.config.Mirrors[0]
		s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: m.ClientID, Secret: m.ClientSecret.Reveal(), Public: true})
		s.standIn.RevokeTokens()
		return func() {
			s.standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: m.ClientID, Secret: m.ClientSecret.Reveal()})
		}
	}, 7, 2},
	"no access": {"REPOSITORY_NOT_FOUND", refuseGit(404, "nothing here"), 10, 4},
	"no right":  {"PERMISSION_DENIED", refuseGit(403, "To access this repository, an admin must whitelist your IP."), 10, 4},
	"no branch": {"BRANCH_NOT_FOUND", func(s *stepped) func() {
		s.must(s.repo.CreateBranch("kept", "main"))
		s.must(s.repo.DeleteBranch("main"))
		return func() {
			s.must(s.repo.CreateBranch("main", "kept"))
			s.must(s.repo.DeleteBranch("kept"))
		}
	}, 10, 4},
}

// wants checks how a mirror stands, and that a blocked one says what to do.
func (s *stepped) wants(state mirror.StateName, code string) {
	s.t.Helper()
	status, err := s.db.Status(s.t.Context(), s.orgID)
	s.must(err)
	detail := status.State.Detail
	if status.State.Name != state || code != "" && (detail == nil || detail.Code != code || detail.Remedy == "") {
		s.t.Fatalf("%s %+v, want %s %s", status.State.Name, detail, state, code)
	}
}

// A mirror that cannot be read asks the host a few times an hour, however often it is polled
// and its database changes; and it is tried at once when there is a reason to.
func TestBlockedMirrorAsksRarely(t *testing.T) {
	for name, o := range obstacles {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, nil, func(s *stepped) {
				s.insert("toolkits", "slug", "'a'", "name", "'A'")
				s.must(s.step(s.orgID, starts))
				for how, wake := range map[string]func() error{
					"person":   func() error { return s.step(s.orgID, person) },
					"delivery": func() error { return s.step(s.orgID, delivered) },
					"start":    func() error { s.restart(); return s.step(s.orgID, starts) },
					"settings": func() error {
						settings := s.config.Mirrors[0].Settings()
						settings.WebhookSecret = mirror.NewSecret(fmt.Sprint(s.clock.now()))
						_, err := s.db.SaveConnection(t.Context(), s.orgID, db.ConnectionWrite{Settings: settings, Source: db.SourceConfig})
						s.must(err)
						return s.step(s.orgID, changes)
					},
					"nobody": nil,
				} {
					unblock := o.block(s)
					if n := s.asked(func() { s.minutes(60, s.orgID) }); n > 2*o.most {
						t.Errorf("%s: %d requests in the first hour", how, n)
					}
					for hour := range 2 {
						if n := s.asked(func() { s.minutes(60, s.orgID) }); n == 0 || n > o.most {
							t.Errorf("%s: %d requests in hour %d", how, n, hour+2)
						}
					}
					s.wants("blocked", o.code)
					if n := s.asked(func() { s.step(s.orgID, person); s.step(s.orgID, delivered) }); n < 2 || n > 2*o.each {
						t.Errorf("%s: a person and a delivery: %d requests", how, n)
					}
					s.exec("UPDATE toolkits SET name = %s WHERE slug = 'a'", quote(how))
					unblock()
					if wake == nil {
						s.minutes(21, s.orgID)
					} else if err := wake(); err != nil {
						t.Fatalf("%s: %v", how, err)
					}
					s.wants("ok", "")
					s.wantFile("toolkits/a.json", "{\n  \"slug\": \"a\",\n  \"name\": \""+how+"\"\n}\n")
				}
			})
		})
	}
}

// A first connection that fails is no other case.
func TestBlockedFromTheBeginning(t *testing.T) {
	eachStepped(t, func(w *world) { w.config.Mirrors[0].Repository = "nowhere" }, func(s *stepped) {
		s.step(s.orgID, starts)
		s.minutes(60, s.orgID)
		if n := s.asked(func() { s.minutes(60, s.orgID) }); n == 0 || n > 10 {
			t.Errorf("%d requests in an hour", n)
		}
		s.wants("blocked", "REPOSITORY_NOT_FOUND")
		_, err := s.standIn.CreateRepository("acme-corp", "nowhere")
		s.must(err)
		s.minutes(21, s.orgID)
		s.wants("ok", "")
	})
}

// Many deliveries are each no reason: a busy repository has more pushes than its host wants tries.
func TestBlockedMirrorIsDeafToManyDeliveries(t *testing.T) {
	eachStepped(t, nil, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		unblock := obstacles["wrong secret"].block(s)
		for hour, most := range []int{15, 15, 15} {
			n := s.asked(func() {
				for range 360 {
					s.clock.advance(10 * time.Second)
					s.step(s.orgID, delivered)
				}
			})
			if n == 0 || n > most {
				t.Errorf("%d requests in hour %d, with a delivery each ten seconds", n, hour+1)
			}
		}
		unblock()
		s.minutes(21, s.orgID)
		s.wants("ok", "")
	})
}

// Mirrors that share a wrong consumer ask for a token as often as one, and all of them
// work again as soon as one has been given a token.
func TestBlockedMirrorsOfOneConsumer(t *testing.T) {
	const mirrors = 20
	eachStepped(t, func(w *world) {
		for n := range mirrors - 1 {
			more := *w.config.Mirrors[0]
			more.Organization, more.Repository = fmt.Sprintf("acme-%d", n), fmt.Sprintf("webrix-%d", n)
			_, err := w.standIn.CreateRepository("acme-corp", more.Repository)
			w.must(err)
			w.config.Mirrors = append(w.config.Mirrors, &more)
		}
	}, func(s *stepped) {
		ids := s.organizations(s.config.Mirrors)
		startAll := func() {
			for _, id := range ids {
				s.step(id, starts)
			}
		}
		startAll()
		unblock := obstacles["wrong secret"].block(s)
		s.restart()
		if n := s.asked(startAll); n != 1 {
			t.Errorf("%d requests at the start", n)
		}
		s.minutes(60, ids...)
		if n := s.asked(func() { s.minutes(120, ids...) }); n == 0 || n > 14 {
			t.Errorf("%d requests in two hours", n)
		}
		unblock()
		s.must(s.step(ids[3], person))
		s.minutes(1, ids...)
		for _, id := range ids {
			s.orgID = id
			s.wants("ok", "")
		}
	})
}

func (s *stepped) organizations(mirrors []*configs.MirrorConfig) (ids []string) {
	s.t.Helper()
	for _, m := range mirrors {
		o, err := s.db.Organization(s.t.Context(), m.Organization)
		s.must(err)
		ids = append(ids, o.ID)
	}
	return ids
}

// A daemon that its supervisor starts again and again asks a few times an hour, too.
func TestBlockedMirrorOfADaemonThatRestarts(t *testing.T) {
	for _, name := range []string{"wrong secret", "no access", "no branch"} {
		t.Run(name, func(t *testing.T) {
			o := obstacles[name]
			eachStepped(t, nil, func(s *stepped) {
				s.insert("toolkits", "slug", "'a'", "name", "'A'")
				s.must(s.step(s.orgID, starts))
				unblock := o.block(s)
				for hour := range 3 {
					n := s.asked(func() {
						for range 60 {
							s.clock.advance(30 * time.Second)
							s.restart()
							s.step(s.orgID, starts)
							s.clock.advance(30 * time.Second)
							s.step(s.orgID, polls)
						}
					})
					if n == 0 || n > 2*o.most {
						t.Errorf("%d requests in hour %d", n, hour+1)
					}
				}
				s.wants("blocked", o.code)
				unblock()
				s.minutes(21, s.orgID)
				s.wants("ok", "")
			})
		})
	}
}

// The running daemon: changes of the database are kept out, a test of the connection and a
// delivery are not.
func TestBlockedMirrorHearsAWebhook(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		unblock := obstacles["wrong secret"].block(&stepped{world: w})
		if report := w.sync(); report["state"] != "blocked" {
			t.Fatalf("report: %v", report)
		}
		before := w.standIn.Count()
		w.insert("toolkits", "slug", "'a'", "name", "'A'")
		w.eventually("the change is kept out", func() bool { return strings.Contains(w.log.String(), "is blocked and not tried now") })
		if n := w.standIn.Count() - before; n != 0 {
			t.Errorf("%d requests for a change", n)
		}
		unblock()
		if status, tested := w.call("POST", "mirror/connection/test", nil); status != http.StatusOK || tested["test"].(map[string]any)["ok"] != true {
			t.Errorf("%d %v", status, tested)
		}
		w.nudge()
		w.eventually("it is mirrored again", func() bool { return w.mirror()["state"] == "ok" && w.files()["toolkits/a.json"] != "" })
	})
}
