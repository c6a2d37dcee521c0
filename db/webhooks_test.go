package db

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
)

func TestWebhookRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		acme, beta := newOrganization(t, d, "acme"), newOrganization(t, d, "beta")
		if known := must(d.Webhook(ctx, acme))(t); known != (Webhook{}) {
			t.Errorf("before: %+v", known)
		}
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		d.now = func() time.Time { return now }
		at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
		try := WebhookTry{Repository: "{uuid}", URL: "https://here", Tried: "t", Given: "g"}
		record := func(came map[string]WebhookDeliveries) {
			t.Helper()
			if err := d.RecordDeliveries(ctx, came); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what string, want Webhook) {
			t.Helper()
			want.OrganizationID = acme
			if diff := cmp.Diff(want, must(d.Webhook(ctx, acme))(t)); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
		done := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}

		record(map[string]WebhookDeliveries{
			acme: {DeliveredAt: at(1), DeliveredEvent: "repo:push", PushedAt: at(1)},
			beta: {RefusedAt: at(2), RefusedEvent: "repo:push", RefusedWhy: RefusedUnsigned},
		})
		want := Webhook{WebhookDeliveries: WebhookDeliveries{DeliveredAt: at(1), DeliveredEvent: "repo:push", PushedAt: at(1)}}
		check("a push", want)

		done(d.RecordWebhook(ctx, acme, try))
		want.WebhookTry, want.TriedAt, want.PushedAt = try, now, time.Time{}
		check("made at another address than what was heard", want)

		record(map[string]WebhookDeliveries{acme: {DeliveredAt: at(3), DeliveredEvent: "repo:push", PushedAt: at(3)}})
		record(map[string]WebhookDeliveries{acme: {RefusedAt: at(4), RefusedEvent: "repo:push", RefusedWhy: RefusedSignature}})
		want.WebhookDeliveries = WebhookDeliveries{DeliveredAt: at(3), DeliveredEvent: "repo:push", PushedAt: at(3),
			RefusedAt: at(4), RefusedEvent: "repo:push", RefusedWhy: RefusedSignature}
		check("a delivery that was refused", want)

		done(d.RecordUnheard(ctx, acme, 1, at(2)))
		check("a push before the last delivery is heard", want)
		done(d.RecordUnheard(ctx, acme, 2, at(5)))
		want.Unheard, want.UnheardSince = 2, at(5)
		check("pushes after it are not", want)
		try.Problem = &mirror.Detail{Code: mirror.CodePermissionDenied, Since: now}
		done(d.RecordWebhook(ctx, acme, try))
		want.Problem = try.Problem
		check("tried again, in vain", want)
		record(map[string]WebhookDeliveries{acme: {DeliveredAt: at(6), DeliveredEvent: "pullrequest:created"}})
		want.DeliveredAt, want.DeliveredEvent = at(6), "pullrequest:created"
		check("a pull request says nothing of pushes", want)
		record(map[string]WebhookDeliveries{acme: {DeliveredAt: at(7), DeliveredEvent: "repo:push", PushedAt: at(7)}})
		want.DeliveredAt, want.DeliveredEvent, want.PushedAt, want.Unheard, want.UnheardSince = at(7), "repo:push", at(7), 0, time.Time{}
		check("a push ends the silence", want)
		done(d.RenewWebhook(ctx, acme))
		want.Tried, want.Given = "", ""
		check("to be made again", want)

		if known := must(d.Webhooks(ctx, []string{acme, beta}))(t); len(known) != 2 || known[beta].RefusedWhy != RefusedUnsigned {
			t.Errorf("both: %+v", known)
		}
		done(d.gorm.Exec("DELETE FROM organizations WHERE slug = 'acme'").Error)
		done(d.Housekeep(ctx))
		if known := must(d.Webhooks(ctx, []string{acme, beta}))(t); len(known) != 1 {
			t.Errorf("after an organization went: %+v", known)
		}
	})
}

// A silent webhook is a remark of its mirror's state until it speaks.
func TestSilentWebhookIsACondition(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		acme := newOrganization(t, d, "acme")
		save(t, d, acme, writeOf(nil))
		conditions := func() (codes []string) {
			for _, c := range must(d.Status(ctx, acme))(t).State.Conditions {
				codes = append(codes, c.Code)
			}
			return codes
		}
		now := time.Now()
		for _, step := range []struct {
			do   func() error
			want []string
		}{
			{func() error { return d.RecordDeliveries(ctx, map[string]WebhookDeliveries{acme: {DeliveredAt: now}}) }, nil},
			{func() error { return d.RecordUnheard(ctx, acme, 1, now) }, nil},
			{func() error { return d.RecordUnheard(ctx, acme, 2, now) }, []string{mirror.CodeWebhookSilent}},
			{func() error { return d.SetPaused(ctx, acme, true) }, []string{mirror.CodeWebhookSilent}},
			{func() error {
				return d.RecordDeliveries(ctx, map[string]WebhookDeliveries{acme: {DeliveredAt: now, PushedAt: now}})
			}, nil},
		} {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(step.want, conditions()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// A webhook has one secret: mirrors of a repository with different ones do not share it.
func TestWebhookShare(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		mirrors := map[string]*mirror.Mirror{}
		for i, slug := range []string{"unsigned", "second", "third", "other-secret", "elsewhere"} {
			d.now = func() time.Time { return time.Date(2026, 11, 22, 12, i, 0, 0, time.UTC) }
			id := newOrganization(t, d, slug)
			save(t, d, id, writeOf(func(c *ConnectionWrite) {
				c.PathPrefix = slug
				switch slug {
				case "unsigned":
					c.WebhookSecret = mirror.Secret{}
				case "other-secret":
					c.WebhookSecret = mirror.NewSecret("another")
				case "elsewhere":
					c.Repository = "elsewhere"
				}
			}))
			mirrors[slug] = must(d.Mirror(ctx, id))(t)
		}
		shares := func() map[string]WebhookShare {
			found := map[string]WebhookShare{}
			for slug, m := range mirrors {
				found[slug] = must(d.WebhookShare(ctx, m))(t)
			}
			return found
		}
		delete(mirrors, "unsigned") // is not asked
		want := map[string]WebhookShare{"second": WebhookKept, "third": WebhookShared, "other-secret": WebhookOwn, "elsewhere": WebhookKept}
		if diff := cmp.Diff(want, shares()); diff != "" {
			t.Error(diff)
		}
		if err := d.Disconnect(ctx, mirrors["second"].OrganizationID); err != nil {
			t.Fatal(err)
		}
		delete(mirrors, "second")
		want = map[string]WebhookShare{"third": WebhookKept, "other-secret": WebhookOwn, "elsewhere": WebhookKept}
		if diff := cmp.Diff(want, shares()); diff != "" {
			t.Error(diff)
		}
	})
}

// A digest tells whether two values are equal, and nothing else.
func TestDigest(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		first := must(d.Digest("webhook", "a", "b"))(t)
		if again := must(d.Digest("webhook", "a", "b"))(t); first != again || len(first) != 64 {
			t.Errorf("%s and %s", first, again)
		}
		for _, other := range []string{
			must(d.Digest("webhook", "ab"))(t), must(d.Digest("webhook", "a", "b", ""))(t), must(d.Digest("hook", "a", "b"))(t),
			must(d.Digest("webhook", "b", "a"))(t),
		} {
			if other == first {
				t.Error("other parts have the same digest")
			}
		}
	})
}
