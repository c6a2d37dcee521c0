package benchmark_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

var (
	mirrors = flag.Int("mirrors", 1000, "mirrors of the fleet")
	latency = flag.Duration("latency", 0, "how much longer the server takes for each request")
)

// fleet is one daemon with many mirrors, on one PostgreSQL.
type fleet struct {
	*lane
	daemon *product
	repos  []*bitbuckettest.Repo
	orgs   []string // ids
}

// BenchmarkFleet measures what many mirrors cost one daemon while nothing happens but polls,
// once a minute each, and how long an edit takes among them, also beside one that never rests.
func BenchmarkFleet(b *testing.B) {
	if b.N > 1 {
		b.Fatal("once is enough: -benchtime 1x")
	}
	binary = build(b)
	server := bitbuckettest.Start(b, bitbuckettest.Options{Plain: true})
	w := newWorld(b, server, "postgres", *mirrors)
	f := &fleet{lane: w.lane("product", 0)}
	say := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s %5d mirrors: %s\n", time.Now().Format("15:04:05"), *mirrors, fmt.Sprintf(format, args...))
	}
	f.found()
	if *latency > 0 {
		defer server.Inject(bitbuckettest.Fault{Do: func() { f.rest(*latency) }})()
	}
	say("repositories and configuration are made; each request takes %v more", *latency)

	defer f.end()
	f.daemon = newProduct(f.lane)
	start := time.Now()
	f.actor = f.daemon
	f.daemon.start()
	for n := 0; n < *mirrors; {
		if time.Since(start) > 10*time.Minute {
			b.Fatalf("%d mirrors are in sync", n)
		}
		f.rest(100 * time.Millisecond)
		f.must(f.sql.QueryRow("SELECT count(*) FROM bitbucket_connections WHERE state = 'ok' AND cursor_commit <> ''").Scan(&n))
	}
	say("all in sync after %.1f s", time.Since(start).Seconds())

	f.rest(5 * time.Second)
	before, cpu := f.daemon.process(), f.daemon.cpu()
	const idle = 2 * time.Minute
	f.rest(idle)
	after := f.daemon.process()
	say("%.1f MiB resident (peak %.1f), %d descriptors; after %v more %.1f MiB, %d descriptors", mib(before.Resident), mib(before.Peak), before.Descriptors, idle, mib(after.Resident), after.Descriptors)
	say("polls take %.1f %% of a core", 100*(f.daemon.cpu()-cpu).Seconds()/idle.Seconds())

	say("an edit takes %v", f.edits(40))
	stop := f.noise()
	say("an edit beside a mirror that never rests takes %v", f.edits(40))
	stop()
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// rest is a time in which only what nobody asked for happens.
func (f *fleet) rest(d time.Duration) { <-time.After(d) }

// found makes organizations, repositories with a file of each of two kinds, and the configuration.
func (f *fleet) found() {
	consumer := f.server.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	var config strings.Builder
	config.WriteString(strings.Replace(f.settings(), `poll: "@every 720h"`, `poll: "@every 1m"`, 1) + "\nmirrors:\n")
	for i := range *mirrors {
		name := fmt.Sprintf("fleet-%04d", i)
		repo, err := f.server.CreateRepository("acme-corp", name)
		f.must(err)
		_, err = repo.Commit("main", mirror.Signature{Name: "Ada", Email: "ada@example.com"}, "First", bitbuckettest.Write("commands/greet.json", `{"slug":"greet","name":"Greet","prompt":"Hello"}`),
			bitbuckettest.Write("toolkits/all.json", `{"slug":"all","name":"All"}`))
		f.must(err)
		f.repos = append(f.repos, repo)
		fmt.Fprintf(&config, "  - {organization: %s, workspace: acme-corp, repository: %s, branch: main, client_id: %q, client_secret: %q, api_url: %q, oauth_url: %q, git_url: %q}\n",
			name, name, consumer.Key, consumer.Secret, f.server.APIURL(), f.server.OAuthURL(), f.server.GitURL())
		var id string
		f.must(f.sql.QueryRow("INSERT INTO organizations (slug, name) VALUES ($1, $1) RETURNING id", name).Scan(&id))
		f.orgs = append(f.orgs, id)
	}
	f.must(os.WriteFile(f.config(), []byte(config.String()), 0o600))
}

// edits is how long single edits take, of one mirror after another, from their commit to the
// branch: the median and the longest.
func (f *fleet) edits(n int) string {
	var took []time.Duration
	for i := range n {
		at := 1 + (i*97)%(len(f.orgs)-1)
		ref := filepath.Join(f.repos[at].Dir(), "refs", "heads", "main")
		was, err := os.ReadFile(ref)
		f.must(err)
		f.exec("UPDATE commands SET prompt = $1 WHERE organization_id = $2", fmt.Sprint("Edit ", time.Now().UnixNano()), f.orgs[at])
		start := time.Now()
		f.until(time.Minute, "the branch has the edit", func() bool {
			is, err := os.ReadFile(ref)
			return err == nil && string(is) != string(was)
		})
		took = append(took, time.Since(start))
	}
	slices.SortFunc(took, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	return fmt.Sprintf("%d ms (the longest of %d: %d ms)", took[n/2].Milliseconds(), n, took[n-1].Milliseconds())
}

// noise edits the first mirror without end.
func (f *fleet) noise() (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				f.exec("UPDATE commands SET prompt = $1 WHERE organization_id = $2", fmt.Sprint("Noise ", i), f.orgs[0])
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}
