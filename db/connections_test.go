package db

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
)

func writeOf(change func(*ConnectionWrite)) ConnectionWrite {
	w := ConnectionWrite{Source: SourceAPI, Settings: mirror.Settings{
		Workspace: "acme", Repository: "sync", Branch: "main", APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL,
		ClientID: "id", ClientSecret: mirror.NewSecret("client-secret"), WebhookSecret: mirror.NewSecret("webhook-secret"),
	}}
	if change != nil {
		change(&w)
	}
	return w
}

func TestConnectionRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		if _, err := d.Connection(ctx, id); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("before: %v", err)
		}
		changed, err := d.SaveConnection(ctx, id, writeOf(nil))
		if err != nil || !changed {
			t.Fatal(changed, err)
		}
		if changed, err := d.SaveConnection(ctx, id, writeOf(nil)); err != nil || changed {
			t.Errorf("the same again: %v, %v", changed, err)
		}
		settings, err := d.ConnectionSettings(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		want := writeOf(nil).Settings
		if err := prepare(&want); err != nil {
			t.Fatal(err)
		}
		if settings != want {
			t.Errorf("settings %+v", settings)
		}
		info := must(d.Connection(ctx, id))(t)
		if !info.HasClientSecret || !info.HasWebhookSecret || info.HasAccessToken || info.Settings.ClientID != "id" || info.Source != SourceAPI {
			t.Errorf("info %+v", info)
		}
		if !info.Settings.ClientSecret.IsZero() {
			t.Error("info holds a secret")
		}
		var stored map[string]any
		if err := d.gorm.Table("bitbucket_connections").Take(&stored).Error; err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(stored); strings.Contains(text, "client-secret") || strings.Contains(text, "webhook-secret") {
			t.Errorf("a secret is stored in clear: %s", text)
		}
		if refs := must(d.Mirrors(ctx))(t); len(refs) != 1 || refs[0].Organization != "acme" || refs[0].OrganizationID != id {
			t.Errorf("mirrors %+v", refs)
		}
	})
}

func TestConnectionKeepsSecretsOnlyAtTheSamePlace(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		save(t, d, id, writeOf(nil))
		keep := func(change func(*ConnectionWrite)) ConnectionWrite {
			w := writeOf(change)
			w.ClientSecret, w.WebhookSecret = mirror.Secret{}, mirror.Secret{}
			w.KeepClientSecret, w.KeepAccessToken, w.KeepWebhookSecret = true, true, true
			return w
		}
		save(t, d, id, keep(func(w *ConnectionWrite) { w.Branch = "other" }))
		if s := must(d.ConnectionSettings(ctx, id))(t); s.ClientSecret.Reveal() != "client-secret" || s.WebhookSecret.Reveal() != "webhook-secret" || s.Branch != "other" {
			t.Errorf("settings %+v", s)
		}
		for name, change := range map[string]func(*ConnectionWrite){
			"workspace": func(w *ConnectionWrite) { w.Workspace = "evil" },
			"git":       func(w *ConnectionWrite) { w.GitURL = "https://git.evil.example" },
			"api":       func(w *ConnectionWrite) { w.APIURL = "https://api.evil.example" },
			"oauth":     func(w *ConnectionWrite) { w.OAuthURL = "https://oauth.evil.example" },
		} {
			if _, err := d.SaveConnection(ctx, id, keep(change)); !errors.Is(err, ErrSecretsNeeded) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// The other kind of credential replaces this one.
		save(t, d, id, keep(func(w *ConnectionWrite) { w.ClientID, w.AccessToken = "", mirror.NewSecret("token") }))
		if s := must(d.ConnectionSettings(ctx, id))(t); s.AccessToken.Reveal() != "token" || !s.ClientSecret.IsZero() {
			t.Errorf("settings %+v", s)
		}
	})
}

func TestAlreadyConnected(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		one, two := newOrganization(t, d, "one"), newOrganization(t, d, "two")
		save(t, d, one, writeOf(func(w *ConnectionWrite) { w.PathPrefix = "src" }))
		below := writeOf(func(w *ConnectionWrite) { w.PathPrefix, w.Repository = "src/two", "SYNC" })
		_, err := d.SaveConnection(ctx, two, below)
		if fault, ok := errors.AsType[*mirror.Fault](err); !ok || fault.Code != mirror.CodeAlreadyConnected {
			t.Errorf("nested: %v", err)
		}
		save(t, d, two, writeOf(func(w *ConnectionWrite) { w.PathPrefix = "other" }))
		if err := d.Disconnect(ctx, one); err != nil {
			t.Fatal(err)
		}
		save(t, d, two, below)
	})
}

// TestAlreadyConnectedShowsWhenResolved: what a main branch is, and that two names
// are one repository, is known only once the host was asked.
func TestAlreadyConnectedShowsWhenResolved(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		identify := func(id, repository, branch string) error {
			m := must(d.Mirror(ctx, id))(t)
			return d.Identify(ctx, m, mirror.Identity{Repository: repository, Branch: branch, Prefix: m.Settings.PathPrefix},
				mirror.Repository{UUID: repository, FullName: "acme/sync"})
		}
		one, two, three := newOrganization(t, d, "one"), newOrganization(t, d, "two"), newOrganization(t, d, "three")
		save(t, d, one, writeOf(nil))
		save(t, d, two, writeOf(func(w *ConnectionWrite) { w.Branch = "" }))
		save(t, d, three, writeOf(func(w *ConnectionWrite) { w.Repository = "before-its-renaming" }))
		if err := identify(one, "{u}", "main"); err != nil {
			t.Fatal(err)
		}
		for name, id := range map[string]string{"main branch": two, "another name": three} {
			err := identify(id, "{u}", "main")
			if fault, ok := errors.AsType[*mirror.Fault](err); !ok || fault.Code != mirror.CodeAlreadyConnected {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := identify(two, "{u}", "develop"); err != nil {
			t.Errorf("another main branch: %v", err)
		}
		if err := identify(one, "{u}", "main"); err != nil {
			t.Errorf("again: %v", err)
		}
	})
}

func TestDisconnectForgetsCredentialsAndState(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		if err := d.Disconnect(ctx, id); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("never connected: %v", err)
		}
		save(t, d, id, writeOf(nil))
		if err := d.SetPaused(ctx, id, true); err != nil {
			t.Fatal(err)
		}
		if err := d.Disconnect(ctx, id); err != nil {
			t.Fatal(err)
		}
		info := must(d.Connection(ctx, id))(t)
		if info.DisconnectedAt == nil || info.HasClientSecret || info.HasWebhookSecret || info.Paused {
			t.Errorf("info %+v", info)
		}
		if _, err := d.ConnectionSettings(ctx, id); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("settings: %v", err)
		}
		if err := d.SetPaused(ctx, id, true); !errors.Is(err, mirror.ErrNoMirror) {
			t.Errorf("pause: %v", err)
		}
		if refs := must(d.Mirrors(ctx))(t); len(refs) != 0 {
			t.Errorf("mirrors %+v", refs)
		}
		save(t, d, id, writeOf(nil))
		if info := must(d.Connection(ctx, id))(t); info.DisconnectedAt != nil || !info.HasClientSecret {
			t.Errorf("connected again: %+v", info)
		}
	})
}

func TestWebhookTargets(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		now := time.Now()
		d.now = func() time.Time { return now.UTC() }
		one, two, three := newOrganization(t, d, "one"), newOrganization(t, d, "two"), newOrganization(t, d, "three")
		save(t, d, one, writeOf(func(w *ConnectionWrite) { w.PathPrefix = "one" }))
		save(t, d, two, writeOf(func(w *ConnectionWrite) { w.PathPrefix, w.WebhookSecret = "two", mirror.Secret{} }))
		save(t, d, three, writeOf(func(w *ConnectionWrite) { w.Repository = "three" }))
		resolved := func(id, uuid, name string) {
			t.Helper()
			if err := d.gorm.Exec("UPDATE bitbucket_connections SET repository_uuid = ?, repository_full_name = ? WHERE organization_id = ?", uuid, name, id).Error; err != nil {
				t.Fatal(err)
			}
		}
		find := func(uuid, name, organization string) string {
			t.Helper()
			var found []string
			for _, target := range must(d.WebhookTargets(ctx, uuid, name, organization))(t) {
				text := fmt.Sprintf("%s signed=%v", target.Organization, target.Signed)
				for _, s := range target.Secrets {
					text += " " + s.Reveal()
				}
				found = append(found, text)
			}
			return strings.Join(found, ", ")
		}
		check := func(what, got, want string) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		check("unresolved, by name", find("{u}", "Acme/SYNC", ""), "one signed=true webhook-secret, two signed=false")
		check("narrowed", find("{u}", "acme/sync", "two"), "two signed=false")
		check("unknown organization", find("{u}", "acme/sync", "four"), "")
		check("unknown repository", find("{u}", "acme/none", ""), "")
		check("nothing known", find("", "", ""), "")
		resolved(one, "{u}", "acme/renamed")
		resolved(three, "{other}", "acme/renamed")
		check("by uuid, whatever the name", find("{u}", "acme/renamed", ""), "one signed=true webhook-secret")
		check("by name where no uuid matches", find("{new}", "acme/renamed", ""), "one signed=true webhook-secret, three signed=true webhook-secret")

		save(t, d, one, writeOf(func(w *ConnectionWrite) { w.PathPrefix, w.WebhookSecret = "one", mirror.NewSecret("rotated") }))
		check("after a rotation", find("{u}", "", ""), "one signed=true rotated webhook-secret")
		now = now.Add(webhookGrace)
		check("a day later", find("{u}", "", ""), "one signed=true rotated")

		// A secret that cannot be opened must not make deliveries unsigned.
		d.sealer = newTestSealer(t, testKey(9))
		check("with another key", find("{u}", "", ""), "one signed=true")

		if err := d.Disconnect(ctx, one); err != nil {
			t.Fatal(err)
		}
		check("disconnected", find("{u}", "", ""), "")
	})
}

func TestChangedSettingsRetry(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := newOrganization(t, d, "acme")
		save(t, d, id, writeOf(nil))
		detail, _ := json.Marshal(mirror.Detail{Code: mirror.CodePermissionDenied})
		if err := d.gorm.Exec("UPDATE bitbucket_connections SET state = 'blocked', detail = ?, covered = requested", string(detail)).Error; err != nil {
			t.Fatal(err)
		}
		save(t, d, id, writeOf(nil))
		if row := must(d.connection(t.Context(), id))(t); row.State != "blocked" || row.Requested != row.Covered {
			t.Errorf("the same settings changed the state: %+v", row)
		}
		save(t, d, id, writeOf(func(w *ConnectionWrite) { w.ClientSecret = mirror.NewSecret("rotated") }))
		if row := must(d.connection(t.Context(), id))(t); row.State != "" || row.Detail != "" || row.Requested <= row.Covered {
			t.Errorf("state %q, detail %s, requested %d, covered %d", row.State, row.Detail, row.Requested, row.Covered)
		}
	})
}

func TestUseKey(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		d.log = slog.New(slog.DiscardHandler)
		use := func(present []byte, previous ...[]byte) (int, error) {
			d.sealer = newTestSealer(t, present, previous...)
			return d.UseKey(ctx)
		}
		if _, err := use(testKey(1)); err != nil {
			t.Fatal(err)
		}
		// Nothing is sealed yet: another key protects nothing less.
		if _, err := use(testKey(2)); err != nil {
			t.Fatal(err)
		}
		save(t, d, id, writeOf(nil))
		_, err := use(testKey(3))
		if mismatch, ok := errors.AsType[*KeyMismatchError](err); !ok || mismatch.KeyID != d.sealer.KeyID() {
			t.Fatalf("another key: %v", err)
		}
		_, err = d.SaveConnection(ctx, id, writeOf(func(w *ConnectionWrite) { w.Branch = "x" }))
		if _, ok := errors.AsType[*KeyMismatchError](err); !ok {
			t.Errorf("saved with another key: %v", err)
		}
		if n, err := use(testKey(3), testKey(2)); err != nil || n != 2 {
			t.Fatalf("rotation: %d, %v", n, err)
		}
		if n, err := use(testKey(3)); err != nil || n != 0 {
			t.Fatalf("after the rotation: %d, %v", n, err)
		}
		if s := must(d.ConnectionSettings(ctx, id))(t); s.ClientSecret.Reveal() != "client-secret" {
			t.Errorf("settings %+v", s)
		}
		if _, err := use(testKey(2)); err == nil {
			t.Error("the key before the rotation is accepted")
		}
	})
}

func TestSettingsAreShared(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		if _, err := d.Setting(ctx, "k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("before: %v", err)
		}
		if v := must(d.KeepSetting(ctx, "k", "first"))(t); v != "first" {
			t.Errorf("kept %q", v)
		}
		if v := must(d.KeepSetting(ctx, "k", "second"))(t); v != "first" {
			t.Errorf("kept %q", v)
		}
		if err := d.PutSetting(ctx, "k", "third"); err != nil {
			t.Fatal(err)
		}
		if v := must(d.Setting(ctx, "k"))(t); v != "third" {
			t.Errorf("put %q", v)
		}
	})
}

// A new connection may begin paused; one that is there goes on as it is.
func TestConnectionBeginsPaused(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		id := newOrganization(t, d, "acme")
		save := func(branch string, paused, want bool) {
			t.Helper()
			if _, err := d.SaveConnection(t.Context(), id, writeOf(func(w *ConnectionWrite) { w.Branch, w.Paused = branch, paused })); err != nil {
				t.Fatal(err)
			}
			info, err := d.Connection(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if info.Paused != want {
				t.Errorf("%s: paused is %v", branch, info.Paused)
			}
		}
		save("one", true, true)
		save("two", false, true)
		if err := d.SetPaused(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		save("three", true, false)
		if err := d.Disconnect(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		save("three", false, false)
		if err := d.Disconnect(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		save("three", true, true)
	})
}
