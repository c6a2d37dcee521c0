package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror"
)

const repositoryUUID = "{11111111-2222-3333-4444-555555555555}"

// delivery is a push of the repository that world.connect connects, as short as can be.
const delivery = `{"repository":{"uuid":"` + repositoryUUID + `","full_name":"Acme-Corp/Webrix-Sync"}}`

// signed is what openssl dgst -sha256 -hmac canary-webhook-secret says of delivery.
const signed = "sha256=f78ceca8a7f1505a27e3cd5d4c409acfe0e384a35e076784d63516ba1d8c3b82"

func sign(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// deliver sends a delivery as Bitbucket does.
func (w *world) deliver(path, event string, body any, signature string) *response {
	w.t.Helper()
	options := []option{anonymous}
	if event != "" {
		options = append(options, header("X-Event-Key", event))
	}
	if signature != "" {
		options = append(options, header("X-Hub-Signature", signature))
	}
	return w.do("POST", path, body, options...)
}

func (w *world) heard(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.engine.take(); !slices.Equal(got, want) {
		w.t.Errorf("the engine heard %q, want %q", got, want)
	}
}

func TestDeliveries(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		beta := w.connect("beta", func(c *db.ConnectionWrite) { c.WebhookSecret = mirror.NewSecret(canary + "of beta") })
		open := w.connect("open", func(c *db.ConnectionWrite) { c.WebhookSecret = mirror.Secret{} })
		w.connect("elsewhere", func(c *db.ConnectionWrite) { c.Repository = "another" })
		gone := w.connect("gone", nil)
		if err := w.db.Disconnect(w.t.Context(), gone); err != nil {
			w.t.Fatal(err)
		}
		w.organization("unconnected")
		unknown := strings.ReplaceAll(delivery, "Webrix", "Other")
		center := `{"repository":{"slug":"webrix-sync","project":{"key":"ACME-CORP"}}}`
		centersPull := `{"pullRequest":{"toRef":{"repository":{"slug":"webrix-sync","project":{"key":"ACME-CORP"}}}}}`
		ofBeta := sign([]byte(delivery), canary+"of beta")
		for name, test := range map[string]struct {
			path, event, body, signature string
			want                         int
			nudged                       []string
		}{
			"signed for acme":              {"", "repo:push", delivery, signed, 202, []string{acme, open}},
			"signed for beta":              {"", "repo:push", delivery, ofBeta, 202, []string{beta, open}},
			"unsigned":                     {"", "repo:push", delivery, "", 202, []string{open}},
			"signed by a stranger":         {"", "repo:push", delivery, sign([]byte(delivery), "stranger"), 202, []string{open}},
			"one organization":             {"/acme", "repo:push", delivery, signed, 202, []string{acme}},
			"one organization, unsigned":   {"/acme", "repo:push", delivery, "", 401, nil},
			"another's signature":          {"/acme", "repo:push", delivery, ofBeta, 401, nil},
			"signature of another body":    {"/acme", "repo:push", delivery + " ", signed, 401, nil},
			"signature in upper case":      {"/acme", "repo:push", delivery, "sha256=" + strings.ToUpper(signed[7:]), 202, []string{acme}},
			"SHA-1":                        {"/acme", "repo:push", delivery, "sha1=" + signed[7:], 401, nil},
			"half a signature":             {"/acme", "repo:push", delivery, signed[:40], 401, nil},
			"no hexadecimal":               {"/acme", "repo:push", delivery, "sha256=" + strings.Repeat("zz", 32), 401, nil},
			"no secret":                    {"/open", "repo:push", delivery, "", 202, []string{open}},
			"another repository's mirror":  {"/elsewhere", "repo:push", delivery, signed, 404, nil},
			"a disconnected organization":  {"/gone", "repo:push", delivery, signed, 404, nil},
			"an organization without one":  {"/unconnected", "repo:push", delivery, signed, 404, nil},
			"an unknown organization":      {"/nobody", "repo:push", delivery, signed, 404, nil},
			"no slug":                      {"/No%20Slug", "repo:push", delivery, signed, 404, nil},
			"an unknown repository":        {"", "repo:push", unknown, sign([]byte(unknown), canary+"webhook-secret"), 404, nil},
			"Data Center":                  {"/acme", "repo:refs_changed", center, sign([]byte(center), canary+"webhook-secret"), 202, []string{acme}},
			"a ping":                       {"", "diagnostics:ping", `{"test":true}`, "", 200, nil},
			"a pull request":               {"/acme", "pullrequest:created", delivery, signed, 202, []string{acme}},
			"a pull request, unsigned":     {"/acme", "pullrequest:fulfilled", delivery, "", 401, nil},
			"Data Center's pull request":   {"/acme", "pr:merged", centersPull, sign([]byte(centersPull), canary+"webhook-secret"), 202, []string{acme}},
			"another event":                {"", "repo:updated", delivery, signed, 200, nil},
			"another event, unknown":       {"/nobody", "issue:created", "no JSON", "", 200, nil},
			"no event key":                 {"", "", delivery, signed, 400, nil},
			"no JSON":                      {"", "repo:push", "no JSON", "", 400, nil},
			"an empty body":                {"", "repo:push", "", "", 400, nil},
			"no repository":                {"", "repo:push", `{"push":{"changes":[]}}`, "", 400, nil},
			"a repository of another type": {"", "repo:push", `{"repository":[1]}`, "", 400, nil},
			"U+0000 in a name":             {"", "repo:push", `{"repository":{"full_name":"a\u0000b/c"}}`, "", 404, nil},
			"a very long name":             {"", "repo:push", `{"repository":{"full_name":"` + strings.Repeat("x", 5000) + `"}}`, "", 404, nil},
		} {
			t := w.t
			got := w.deliver(webhookPath+test.path, test.event, test.body, test.signature)
			if got.Status != test.want {
				t.Errorf("%s: %d, want %d: %s", name, got.Status, test.want, got.Body)
			}
			var want []string
			for _, id := range test.nudged {
				want = append(want, "webhook "+id)
			}
			slices.Sort(want)
			if notes := w.engine.take(); !slices.Equal(notes, want) {
				t.Errorf("%s: the engine heard %v, want %v", name, notes, want)
			}
		}
	})
}

// W11: once the repository is known it is matched by uuid, whatever it is called.
func TestDeliveryAfterRename(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		m, err := w.db.Mirror(w.t.Context(), acme)
		if err != nil {
			w.t.Fatal(err)
		}
		err = w.db.Identify(w.t.Context(), m, mirror.Identity{Repository: repositoryUUID, Branch: "main", Prefix: "acme"},
			mirror.Repository{UUID: repositoryUUID, FullName: "acme-corp/webrix-sync"})
		if err != nil {
			w.t.Fatal(err)
		}
		renamed := strings.ReplaceAll(delivery, "Webrix-Sync", "renamed")
		w.deliver(webhookPath, "repo:push", renamed, sign([]byte(renamed), canary+"webhook-secret")).is(202)
		w.heard("webhook " + acme)
	})
}

// After a rotation both secrets are accepted, for as long as the database says.
func TestDeliveryWithPreviousSecret(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		w.do("PUT", org("acme", "mirror/connection"), map[string]any{"webhook_secret": canary + "new"}).is(200)
		w.engine.take()
		for _, signature := range []string{signed, sign([]byte(delivery), canary+"new")} {
			w.deliver(webhookPath, "repo:push", delivery, signature).is(202)
			w.heard("webhook " + acme)
		}
	})
}

// W2: the size is refused before the body is read, announced or not.
func TestDeliveryTooLarge(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", func(c *db.ConnectionWrite) { c.WebhookSecret = mirror.Secret{} })
	fill := func(size int) string {
		body := strings.TrimSuffix(delivery, "}") + `,"x":"`
		return body + strings.Repeat("x", size-len(body)-2) + `"}`
	}
	w.deliver(webhookPath, "repo:push", fill(1<<20), "").is(202)
	w.deliver(webhookPath, "repo:push", fill(1<<20+1), "").fails(413, "BODY_TOO_LARGE")
	w.deliver(webhookPath, "diagnostics:ping", fill(1<<20+1), "").fails(413, "BODY_TOO_LARGE")
	untouched := &unread{}
	w.do("POST", webhookPath, nil, func(r *http.Request) { r.Body, r.ContentLength = untouched, 1<<20+1 }).fails(413, "BODY_TOO_LARGE")
	if untouched.read {
		t.Error("the body was read")
	}
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	w.do("POST", webhookPath, fill(1<<20+1), anonymous, header("X-Event-Key", "repo:push"), chunked).fails(413, "BODY_TOO_LARGE")
}

type unread struct{ read bool }

func (u *unread) Read([]byte) (int, error) { u.read = true; return 0, nil }
func (u *unread) Close() error             { return nil }

// The engine hears what came for whom, and why something was refused.
func TestDeliveriesAreHeardOf(t *testing.T) {
	w := embedded(t, nil)
	acme, beta := w.connect("acme", nil), w.connect("beta", func(c *db.ConnectionWrite) { c.WebhookSecret = mirror.NewSecret(canary + "of beta") })
	w.deliver(webhookPath, "repo:push", delivery, signed).is(202)
	w.deliver(webhookPath, "pullrequest:created", delivery, "").is(401)
	w.deliver(webhookPath+"/beta", "repo:push", delivery, signed).is(401)
	w.deliver(webhookPath+"/beta", "pullrequest:"+strings.Repeat("x", 100), delivery, "sha256=").is(401)
	w.deliver(webhookPath+"/beta", "pullrequest:\xff", delivery, "sha256=").is(401)
	w.deliver(webhookPath, "diagnostics:ping", "", "").is(200)
	want := map[string][]Delivery{
		acme: {{Event: "repo:push"}, {Event: "pullrequest:created", Refused: db.RefusedUnsigned}},
		beta: {
			{Event: "pullrequest:created", Refused: db.RefusedUnsigned}, {Event: "repo:push", Refused: db.RefusedSignature},
			{Refused: db.RefusedSignature}, {Refused: db.RefusedSignature},
		},
	}
	if !maps.EqualFunc(w.engine.delivered, want, slices.Equal) {
		t.Errorf("%v, want %v", w.engine.delivered, want)
	}
}

func TestDeliveriesAreCounted(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", nil)
	w.deliver(webhookPath, "repo:push", delivery, signed)
	w.deliver(webhookPath, "repo:push", delivery, "")
	w.deliver(webhookPath, "diagnostics:ping", "", "")
	body := string(w.do("GET", "/metrics", nil).Body)
	for _, result := range []string{"accepted", "unsigned", "ignored"} {
		if line := fmt.Sprintf("confmirror_webhook_deliveries_total{result=%q} 1", result); !strings.Contains(body, line) {
			t.Errorf("no %s", line)
		}
	}
}

// W9: 1,500 organizations mirror the repository, fifty of them with secrets of their own.
func TestDeliveryToManyIsFast(t *testing.T) {
	dir := dbtest.SQLite(t)
	w := newWorld(t, dbtest.Target{Dialect: "sqlite", DataDir: dir}, nil)
	const signing, organizations = 50, 1500
	for i := range signing {
		w.connect(fmt.Sprintf("org-%d", i), func(c *db.ConnectionWrite) { c.WebhookSecret = mirror.NewSecret(fmt.Sprintf("%s%d", canary, i)) })
	}
	// The others are copies of the first, past all checks: making each takes its time.
	database, err := driver.Open("file:" + filepath.Join(dir, db.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	for _, statement := range []string{
		`INSERT INTO organizations (id, slug) WITH RECURSIVE n(i) AS (SELECT 51 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) SELECT 'copy-' || i, 'copy-' || i FROM n`,
		`INSERT INTO bitbucket_connections (organization_id, workspace, repository, api_url, oauth_url, git_url)
			SELECT o.id, c.workspace, c.repository, c.api_url, c.oauth_url, c.git_url FROM organizations o
			JOIN bitbucket_connections c ON c.path_prefix = 'org-0' WHERE o.slug LIKE 'copy-%'`,
	} {
		if _, err := database.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	fastest := time.Hour // of several: others use this machine, too
	for range 5 {
		begin := time.Now()
		w.deliver(webhookPath, "repo:push", delivery, sign([]byte(delivery), canary+"49")).is(202)
		fastest = min(fastest, time.Since(begin))
		if notes := w.engine.take(); len(notes) != organizations-signing+1 {
			t.Errorf("%d mirrors were nudged", len(notes))
		}
	}
	if fastest > time.Second {
		t.Errorf("it took %v", fastest)
	}
}

// The database is away: Bitbucket tries again later.
func TestDeliveryWithoutDatabase(t *testing.T) {
	w := embedded(t, nil)
	w.db.Close()
	if got := w.deliver(webhookPath, "repo:push", delivery, signed); got.Status < 500 || strings.Contains(string(got.Body), "sql") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	w.do("GET", "/readyz", nil, anonymous).fails(503, "NOT_READY")
	w.do("GET", "/healthz", nil, anonymous).is(200)
}

// W3: no body and no header makes the handler panic, and none that is unsigned nudges.
func FuzzWebhook(f *testing.F) {
	for _, body := range []string{delivery, "", "{}", "null", `{"repository":null}`, `{"repository":{"uuid":{}}}`, `[`, "\x00", `{"repository":{"uuid":"{}"}}`, `{"repository":{"full_name":"/"}}`} {
		for _, event := range []string{"repo:push", "repo:refs_changed", "diagnostics:ping", ""} {
			f.Add([]byte(body), event, signed)
		}
	}
	w := embedded(f, nil)
	w.connect("acme", nil)
	f.Fuzz(func(t *testing.T, body []byte, event, signature string) {
		w.t = t
		r := w.do("POST", webhookPath, body, anonymous, func(r *http.Request) {
			r.Header["X-Event-Key"], r.Header["X-Hub-Signature"] = []string{event}, []string{signature}
		})
		if r.Status == http.StatusInternalServerError || r.Status == http.StatusServiceUnavailable {
			t.Errorf("%d: %s", r.Status, r.Body)
		}
		nudged := len(w.engine.take()) > 0
		if right := bytes.Equal([]byte(strings.ToLower(signature)), []byte(sign(body, canary+"webhook-secret"))); nudged && !right {
			t.Errorf("%q nudged with the signature %q", body, signature)
		}
	})
}
