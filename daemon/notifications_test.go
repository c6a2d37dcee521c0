package daemon_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// receiver gets notifications.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int // of its answers
	got    []daemon.Notification
	signed []bool
	asked  int
}

const notifySecret = "notify-secret"

func newReceiver(w *world) *receiver {
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked++
		if r.status == http.StatusOK && request.Method == http.MethodPost && request.URL.RawQuery == "token=in-the-address" {
			var n daemon.Notification
			_ = json.Unmarshal(body, &n)
			mac := hmac.New(sha256.New, []byte(notifySecret))
			mac.Write(body)
			r.got = append(r.got, n)
			r.signed = append(r.signed, request.Header.Get("X-Hub-Signature") == "sha256="+hex.EncodeToString(mac.Sum(nil)))
		}
		answer.WriteHeader(r.status)
	}))
	w.t.Cleanup(r.Close)
	w.config.Notifications = configs.Notifications{URL: mirror.NewSecret(r.URL + "/hook?token=in-the-address"), Secret: mirror.NewSecret(notifySecret)}
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// all is what came, and how often somebody tried.
func (r *receiver) all() ([]daemon.Notification, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got, r.asked
}

// last waits for the nth notification.
func (r *receiver) last(w *world, n int) daemon.Notification {
	w.t.Helper()
	w.eventually("a notification", func() bool { got, _ := r.all(); return len(got) >= n })
	got, _ := r.all()
	if len(got) != n {
		w.t.Fatalf("%d notifications, want %d: %+v", len(got), n, got)
	}
	return got[n-1]
}

// People are told once when a mirror needs them, and once when it does no more, also over a restart.
func TestNotifications(t *testing.T) {
	receivers := map[*world]*receiver{}
	eachWorld(t, func(w *world) { receivers[w] = newReceiver(w) }, func(w *world) {
		t, r := w.t, receivers[w]
		for i := range 30 {
			w.insert("commands", "slug", quote("c"+string(rune('a'+i%26))+string(rune('a'+i/26))), "name", "'C'", "prompt", "'p'")
		}
		w.synced()
		w.exec("DELETE FROM commands")
		w.sync()
		held := r.last(w, 1)
		if held.Code != mirror.CodeDeletionsHeld || held.Severity != mirror.SeverityWarning || held.Organization != "acme" || held.State != mirror.StateHeld ||
			held.Message == "" || held.Since == nil || held.URL != w.config.HTTP.PublicURL+"/organizations/acme" || !strings.Contains(held.Text, held.Remedy) {
			t.Errorf("%+v", held)
		}
		w.sync()
		w.stop()
		w.start()
		w.sync()
		w.eventually("it approves", func() bool { status, _ := w.call("POST", "mirror/approve", nil); return status < 300 })
		w.eventually("the deletions go through", func() bool { return len(w.files()) == 0 })
		well := r.last(w, 2)
		if well.Code != "" || well.Severity != mirror.SeverityInfo || well.State == mirror.StateHeld {
			t.Errorf("%+v", well)
		}
		if !r.signed[0] || !r.signed[1] {
			t.Error("they are not signed")
		}

		undo := w.standIn.Inject(bitbuckettest.Fault{Status: 404, Body: "nothing here"}, bitbuckettest.GitEndpoints...)
		w.sync()
		if blocked := r.last(w, 3); blocked.Code != mirror.CodeRepositoryNotFound || blocked.Severity != mirror.SeverityCritical {
			t.Errorf("%+v", blocked)
		}
		w.has(`confmirror_notifications_total{result="sent"} 2`) // by this daemon
		r.answers(http.StatusInternalServerError)
		undo()
		w.synced()
		w.eventually("one is tried", func() bool { _, asked := r.all(); return asked > 3 })
		w.has(`confmirror_notifications_total{result="failed"} 1`)
		if got, _ := r.all(); len(got) != 3 || w.query("SELECT alarm FROM bitbucket_connections") != mirror.CodeRepositoryNotFound {
			t.Error("what did not arrive counts as told")
		}
		if strings.Contains(w.log.String(), "in-the-address") || strings.Contains(w.log.String(), notifySecret) {
			t.Error("the log has a secret")
		}
		w.stop()
		r.answers(http.StatusOK)
		w.start()
		if well := r.last(w, 4); well.Code != "" {
			t.Errorf("%+v", well)
		}
	})
}
