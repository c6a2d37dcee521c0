package benchmark_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// product is the program as people run it: a daemon, its own process.
type product struct {
	l      *lane
	cmd    *exec.Cmd
	log    bytes.Buffer
	mu     sync.Mutex
	base   string // of HTTP
	client *http.Client
	gone   chan error
	ended  chan struct{} // a run
}

// connect tells the program its repository.
func (l *lane) connect() {
	consumer := l.server.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	_, name, _ := strings.Cut(l.repo.FullName(), "/")
	l.must(os.WriteFile(l.config(), []byte(l.settings()+fmt.Sprintf(`
mirrors:
  - {organization: acme, workspace: acme-corp, repository: %s, branch: main, client_id: %q, client_secret: %q, webhook_secret: hook-secret, api_url: %q, oauth_url: %q, git_url: %q}
`, name, consumer.Key, consumer.Secret, l.server.APIURL(), l.server.OAuthURL(), l.server.GitURL())), 0o600))
}

func newProduct(l *lane) *product { return &product{l: l, client: &http.Client{}} }

// start runs the daemon, until it listens.
func (p *product) start() {
	l := p.l
	p.cmd = exec.Command(binary, "serve", "--config", l.config())
	p.gone = make(chan error, 1)
	out, err := p.cmd.StderrPipe()
	l.must(err)
	p.cmd.Stdout = p.cmd.Stderr
	l.must(p.cmd.Start())
	listening := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.log.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			if _, address, ok := strings.Cut(lines.Text(), "127.0.0.1:"); ok {
				select {
				case listening <- "http://127.0.0.1:" + strings.FieldsFunc(address, func(r rune) bool { return r < '0' || r > '9' })[0]:
				default:
				}
			}
		}
		p.gone <- p.cmd.Wait()
	}()
	select {
	case p.base = <-listening:
	case err := <-p.gone:
		l.b.Fatalf("the daemon ended: %v\n%s", err, p.said())
	case <-time.After(time.Minute):
		l.b.Fatalf("the daemon does not listen:\n%s", p.said())
	}
	p.listen()
}

func (p *product) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *product) close() error {
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Signal(os.Interrupt)
	<-p.gone
	p.cmd = nil
	return err
}

const bearer = "Bearer a-token-for-measurements"

// listen hears of every run that ended.
func (p *product) listen() {
	r, err := http.NewRequest("GET", p.base+"/api/v1/events", nil)
	p.l.must(err)
	r.Header.Set("Authorization", bearer)
	res, err := p.client.Do(r)
	p.l.must(err)
	p.ended = make(chan struct{}, 1)
	ready := make(chan struct{})
	go func() {
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			switch lines.Text() {
			case "event: ready":
				close(ready)
			case "event: run.finished":
				select {
				case p.ended <- struct{}{}:
				default:
				}
			}
		}
	}()
	<-ready
}

// post sends a request that has to be answered well.
func (p *product) post(path string, header map[string]string, body []byte) error {
	r, err := http.NewRequest("POST", p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	res, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %d %.1000s %v", path, res.StatusCode, answer, err)
	}
	return nil
}

// export has nothing to do: the daemon saw the commit.
func (p *product) export() error { return nil }

// imports is a person's request: webhooks are followed once a second at most.
func (p *product) imports() error {
	return p.post("/api/v1/organizations/acme/mirror/sync", map[string]string{"Authorization": bearer}, nil)
}

// poll is what a webhook or a tick of the clock brings about: a run that looks at the branch.
func (p *product) poll() error {
	body := fmt.Appendf(nil, `{"repository": {"full_name": %q}, "push": {"changes": []}}`, p.l.repo.FullName())
	sum := hmac.New(sha256.New, []byte("hook-secret"))
	sum.Write(body)
	err := p.post("/api/bitbucket/webhook", map[string]string{
		"X-Event-Key": "repo:push", "X-Hub-Signature": fmt.Sprintf("sha256=%x", sum.Sum(nil)),
	}, body)
	if err != nil {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(time.Minute):
		return errors.New("no run ended within a minute")
	}
}

// calm waits until the next webhook is followed at once.
func (p *product) calm() {
	<-time.After(time.Second)
	select {
	case <-p.ended: // of an earlier job
	default:
	}
}

// settled waits until no change is pending and the clone is where the branch is: its
// refs move last. Asking the daemon itself would be work for it.
func (p *product) settled() error {
	head := string(p.l.head())
	ref := filepath.Join(p.clone(), ".git", "refs", "heads", "main")
	p.l.until(10*time.Minute, "the daemon comes to rest", func() bool {
		at, err := os.ReadFile(ref)
		return err == nil && strings.TrimSpace(string(at)) == head && p.l.pending() == 0
	})
	return nil
}

// pending is the number of captured changes that no run has settled.
func (l *lane) pending() (n int) {
	l.must(l.sql.QueryRow("SELECT count(*) FROM mirror_changes").Scan(&n))
	return n
}

// state is what the daemon's process and its clone hold.
type state struct {
	Resident, Peak int64 // bytes
	Descriptors    int
	Threads        int
	Packs, Loose   int
}

func (p *product) state() state {
	s := p.process()
	objects := filepath.Join(p.clone(), ".git", "objects")
	packs, err := filepath.Glob(filepath.Join(objects, "pack", "*.pack"))
	p.l.must(err)
	loose, err := filepath.Glob(filepath.Join(objects, "??", "*"))
	p.l.must(err)
	s.Packs, s.Loose = len(packs), len(loose)
	return s
}

// process is what the daemon's process holds.
func (p *product) process() (s state) {
	l := p.l
	proc := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	l.must(err)
	for line := range strings.Lines(string(status)) {
		var n int64
		switch {
		case scan(line, "VmRSS:", &n):
			s.Resident = n << 10
		case scan(line, "VmHWM:", &n):
			s.Peak = n << 10
		case scan(line, "Threads:", &n):
			s.Threads = int(n)
		}
	}
	open, err := os.ReadDir(filepath.Join(proc, "fd"))
	l.must(err)
	s.Descriptors = len(open)
	return s
}

// cpu is the time that the daemon's process has had of the cores.
func (p *product) cpu() time.Duration {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	p.l.must(err)
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third one on; see proc(5)
	var ticks time.Duration
	for _, field := range fields[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		p.l.must(err)
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}

func scan(line, key string, n *int64) bool {
	rest, ok := strings.CutPrefix(line, key)
	if !ok {
		return false
	}
	_, err := fmt.Sscan(rest, n)
	return err == nil
}

// clone is the working tree.
func (p *product) clone() string {
	found, err := filepath.Glob(filepath.Join(p.l.dir, "data", "clones", "*", ".git"))
	p.l.must(err)
	if len(found) != 1 {
		p.l.b.Fatalf("the clone is not found: %q", found)
	}
	return filepath.Dir(found[0])
}
