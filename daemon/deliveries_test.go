package daemon_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// public makes http.public_url the address that the daemon listens at.
func public(w *world) { w.public = true }

// step is what the connection test says in a step, its remedy after it.
func (w *world) step(name string) string {
	w.t.Helper()
	_, answer := w.call("POST", "mirror/connection/test", nil)
	for _, step := range answer["test"].(map[string]any)["steps"].([]any) {
		if s := step.(map[string]any); s["name"] == name {
			remedy, _ := s["remedy"].(string)
			return s["message"].(string) + " " + remedy
		}
	}
	w.t.Fatalf("there is no step %s: %v", name, answer)
	return ""
}

// says waits until a step of the connection test says something.
func (w *world) says(step, want string) {
	w.t.Helper()
	w.eventually(step+" says "+want, func() bool { return strings.Contains(w.step(step), want) })
}

// W8: what the webhook delivers, and what it tries to, can be seen afterwards.
func TestLastDelivery(t *testing.T) {
	eachWorld(t, public, func(w *world) {
		if said := w.step("delivery"); strings.Contains(said, "Last delivery") {
			t.Errorf("before any: %s", said)
		}
		hook := w.repo.AddHook(w.url+"/api/bitbucket/webhook", mirror.NewSecret(webhookSecret))
		w.commit(bitbuckettest.Write("README.md", "Hello"))
		w.must(hook.Wait(w.t.Context()))
		w.says("delivery", "Last delivery: a moment ago (repo:push).")

		w.stop() // what the pause between two writes kept back is written at the end
		w.start()
		hook.Set(bitbuckettest.HookMood{WrongSignature: true})
		w.commit(bitbuckettest.Write("README.md", "Hello again"))
		w.must(hook.Wait(w.t.Context()))
		w.says("delivery", "A delivery was refused a moment ago (repo:push): the signature does not fit")
		w.stop()
		w.start()
		hook.Set(bitbuckettest.HookMood{Unsigned: true})
		w.commit(bitbuckettest.Write("README.md", "Hello once more"))
		w.must(hook.Wait(w.t.Context()))
		w.says("delivery", "it is not signed, so that the webhook has no secret. Enter the connection's webhook secret")
	})
}
