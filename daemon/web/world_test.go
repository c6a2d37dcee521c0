package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// canary begins every secret of these tests: no answer and no log line may hold it.
const canary = "canary-"

const adminToken = canary + "admin-token"

// world is a server over a real database, with an engine that only takes notes.
type world struct {
	t      testing.TB
	db     *db.DB
	server *Server
	engine *recorder
	clock  time.Time
	log    *buffer
}

// migrated is what tests start from.
var migrated = dbtest.Template{Prepare: func(target dbtest.Target) error {
	d, err := db.Open(context.Background(), db.Options{URL: target.URL, DataDir: target.DataDir})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(context.Background())
}}

// each runs a test on both databases.
func each(t *testing.T, test func(w *world)) {
	t.Helper()
	migrated.Each(t, func(t *testing.T, target dbtest.Target) { test(newWorld(t, target, nil)) })
}

// embedded is a world for what does not depend on the database.
func embedded(t testing.TB, change func(*Options)) *world {
	t.Helper()
	return newWorld(t, migrated.SQLite(t), change)
}

func newWorld(t testing.TB, target dbtest.Target, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, engine: &recorder{}, clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), log: &buffer{}}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sealer, err := db.NewSealer(make([]byte, db.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	w.db, err = db.Open(t.Context(), db.Options{URL: target.URL, DataDir: target.DataDir, Sealer: sealer, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.db.UseKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := Options{
		DB: w.db, Engine: w.engine, AdminToken: mirror.NewSecret(adminToken + "\n"), PublicURL: "https://confmirror.example.com/",
		AllowedHosts: []string{"git.example.com", "127.0.0.1", "[::1]", "169.254.169.254"}, Version: "1.2.3", Logger: log,
		Now: func() time.Time { return w.clock }, Registry: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&o)
	}
	w.server = New(o)
	t.Cleanup(func() {
		if i := strings.Index(w.log.String(), canary); i >= 0 {
			t.Errorf("the log holds a secret: %.300s", w.log.String()[max(0, i-200):])
		}
	})
	return w
}

// organization makes one and returns its id.
func (w *world) organization(slug string) string {
	w.t.Helper()
	o, err := w.db.CreateOrganization(w.t.Context(), slug, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return o.ID
}

// connect connects an organization, past the API.
func (w *world) connect(slug string, change func(*db.ConnectionWrite)) string {
	w.t.Helper()
	id := w.organization(slug)
	c := db.ConnectionWrite{Source: db.SourceAPI, Settings: mirror.Settings{
		Workspace: "acme-corp", Repository: "webrix-sync", Branch: "main", PathPrefix: slug,
		ClientID: "id", ClientSecret: mirror.NewSecret(canary + "client-secret"), WebhookSecret: mirror.NewSecret(canary + "webhook-secret"),
		APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL,
	}}
	if change != nil {
		change(&c)
	}
	if _, err := w.db.SaveConnection(w.t.Context(), id, c); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// response is an answer that was checked against the OpenAPI document.
type response struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// option changes a request before it is sent.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func from(address string) option { return func(r *http.Request) { r.RemoteAddr = address } }

func at(host string) option { return func(r *http.Request) { r.Host = host } }

func withContext(ctx context.Context) option {
	return func(r *http.Request) { *r = *r.WithContext(ctx) }
}

var anonymous option = func(r *http.Request) { r.Header.Del("Authorization") }

// do sends a request as the admin. A body that is no string or bytes goes as JSON.
func (w *world) do(method, path string, body any, options ...option) *response {
	w.t.Helper()
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	case []byte:
		reader = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, reader)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	for _, o := range options {
		o(r)
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	answer := &response{w.t, method + " " + path, recorder.Code, recorder.Header(), recorder.Body.Bytes()}
	if bytes.Contains(answer.Body, []byte(canary)) {
		w.t.Errorf("%s: the answer holds a secret: %s", answer.what, answer.Body)
	}
	w.describes(r, answer)
	return answer
}

// org is a path below an organization.
func org(slug, rest string) string { return "/api/v1/organizations/" + slug + "/" + rest }

// is checks the status.
func (r *response) is(status int) *response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("%s: status %d, want %d: %s", r.what, r.Status, status, r.Body)
	}
	return r
}

// fails checks the status and code of an error, and that the message says what is given.
func (r *response) fails(status int, code string, says ...string) *response {
	r.t.Helper()
	r.is(status)
	if got := r.at("error", "code"); got != code {
		r.t.Errorf("%s: code %v, want %s: %s", r.what, got, code, r.Body)
	}
	for _, text := range says {
		if !strings.Contains(string(r.Body), text) {
			r.t.Errorf("%s: the answer does not say %q: %s", r.what, text, r.Body)
		}
	}
	return r
}

// json decodes the body.
func (r *response) json() any {
	r.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.Body)
	}
	return value
}

// at finds a place of the body: keys of objects and indexes of arrays.
func (r *response) at(steps ...any) any {
	r.t.Helper()
	value := r.json()
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			o, _ := value.(map[string]any)
			value = o[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				r.t.Fatalf("%s: no %v in %s", r.what, steps, r.Body)
			}
			value = list[step]
		}
	}
	if n, ok := value.(json.Number); ok {
		i, _ := strconv.Atoi(n.String())
		return i
	}
	return value
}

// recorder is an engine that takes notes, and answers what it is told to.
type recorder struct {
	stuck  atomic.Bool
	mu     sync.Mutex
	notes  []string
	tested []mirror.Settings
	// delivered are the deliveries that it heard of, by organization.
	delivered map[string][]Delivery

	report     *mirror.Report
	plan       []mirror.Action
	result     TestResult
	err        error
	running    bool
	conditions []mirror.Detail
	events     chan Event
	onSync     func(ctx context.Context)
}

func (e *recorder) note(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, text)
}

// take returns the notes, sorted, and begins anew.
func (e *recorder) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	notes := e.notes
	e.notes = nil
	slices.Sort(notes)
	return notes
}

func (e *recorder) Nudge(id, trigger string)    { e.note(trigger + " " + id) }
func (e *recorder) Reconnected(id string)       { e.note("reconnected " + id) }
func (e *recorder) Running(string) bool         { return e.running }
func (e *recorder) Conditions() []mirror.Detail { return e.conditions }
func (e *recorder) Diagnose(st *db.Status) {
	st.State.Conditions = append(st.State.Conditions, e.conditions...)
}
func (e *recorder) Stalled() int { return 0 }
func (e *recorder) Alive() bool  { return !e.stuck.Load() }

func (e *recorder) Delivered(ids []string, d Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.delivered == nil {
		e.delivered = map[string][]Delivery{}
	}
	for _, id := range ids {
		e.delivered[id] = append(e.delivered[id], d)
	}
}

func (e *recorder) Sync(ctx context.Context, id string) (*mirror.Report, error) {
	e.note("sync " + id)
	if e.onSync != nil {
		e.onSync(ctx)
	}
	return e.report, e.err
}

func (e *recorder) Plan(context.Context, string) ([]mirror.Action, error) { return e.plan, e.err }

func (e *recorder) Look(context.Context, string, mirror.Place, int) (*mirror.Sight, error) {
	return nil, ErrNoClone
}

func (e *recorder) Test(_ context.Context, _ *db.Organization, s mirror.Settings) TestResult {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tested = append(e.tested, s)
	return e.result
}

func (e *recorder) Events() (<-chan Event, func()) {
	e.note("subscribed")
	return e.events, func() { e.note("unsubscribed") }
}

// buffer is a log that may be written to from many goroutines.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
