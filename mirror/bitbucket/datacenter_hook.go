package bitbucket

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/confmirror/confmirror/mirror"
)

// serverHook is a webhook. What is left out of an update is removed, the secret too.
type serverHook struct {
	ID            int64             `json:"id,omitempty"`
	Name          string            `json:"name"`
	URL           string            `json:"url"`
	Active        bool              `json:"active"`
	Events        []string          `json:"events"`
	Configuration hookConfiguration `json:"configuration"`
}

type hookConfiguration struct {
	Secret string `json:"secret,omitempty"`
}

func (h serverHook) read() mirror.Hook {
	return mirror.Hook{
		ID: strconv.FormatInt(h.ID, 10), URL: h.URL, Description: h.Name, Events: h.Events,
		Active: h.Active, Signed: h.Configuration.Secret != "", Complete: covers(h.Events, dataCenterEvents),
	}
}

// Hooks implements [mirror.Hooks].
func (d *DataCenter) Hooks(ctx context.Context) ([]mirror.Hook, error) {
	var hooks []mirror.Hook
	err := listServer(ctx, d, request{address: d.repository("webhooks"), scope: repoAdmin}, func(h serverHook) bool {
		hooks = append(hooks, h.read())
		return true
	})
	return hooks, err
}

// HookEvents implements [mirror.Hooks].
func (d *DataCenter) HookEvents() []string { return slices.Clone(dataCenterEvents) }

// EnsureHook implements [mirror.Hooks]. A wanted secret goes with every write. A webhook
// that has one which is not wanted loses it: nothing tells it back.
func (d *DataCenter) EnsureHook(ctx context.Context, want mirror.HookSettings) (mirror.Hook, mirror.HookChange, error) {
	hooks, err := d.Hooks(ctx)
	if err != nil {
		return mirror.Hook{}, "", err
	}
	write := serverHook{
		Name: cmp.Or(want.Description, "confmirror"), URL: want.URL, Active: true, Events: dataCenterEvents,
		Configuration: hookConfiguration{secretText(want.Secret)},
	}
	var made serverHook
	old := hookWith(want.URL, hooks)
	if old == nil {
		err := d.send(ctx, request{method: http.MethodPost, address: d.repository("webhooks"), scope: repoAdmin, body: write, secret: want.Secret}, &made)
		return made.read(), mirror.HookCreated, err
	}
	unsigned := !want.Secret.IsZero() && !old.Signed
	if old.Active && old.Complete && !unsigned && !want.RenewSecret {
		return *old, mirror.HookKept, nil
	}
	write.URL, write.Events, write.Name = old.URL, union(old.Events, dataCenterEvents), cmp.Or(old.Description, write.Name)
	err = d.send(ctx, request{method: http.MethodPut, address: d.repository("webhooks", old.ID), scope: repoAdmin, body: write, secret: want.Secret}, &made)
	return made.read(), mirror.HookUpdated, gone(err, "the webhook "+old.ID)
}

// serverRestriction is a rule for branches
// (https://developer.atlassian.com/server/bitbucket/rest/v903/api-group-permission-management/).
type serverRestriction struct {
	Type    string `json:"type"`
	Matcher struct {
		ID   string `json:"id"`
		Type struct {
			ID string `json:"id"`
		} `json:"type"`
	} `json:"matcher"`
	Users      []serverUser `json:"users"`
	Groups     []string     `json:"groups"`
	AccessKeys []any        `json:"accessKeys"`
}

// BranchRules implements [mirror.Restrictions]. Who a token acts for is not known, so a
// rule with exceptions may or may not be meant for us; what a branching model calls
// production or a feature is not looked up.
func (d *DataCenter) BranchRules(ctx context.Context, branch string) (mirror.BranchRules, error) {
	rules := mirror.BranchRules{Known: true}
	r := request{address: d.beside("branch-permissions/latest", "restrictions"), scope: repoAdmin}
	err := listServer(ctx, d, r, func(x serverRestriction) bool {
		if x.Type != "read-only" && x.Type != "pull-request-only" {
			return true // of deletions and rewrites, which we do not make
		}
		exceptions := len(x.Users)+len(x.Groups)+len(x.AccessKeys) > 0
		switch x.Matcher.Type.ID {
		case "BRANCH", "PATTERN", "ANY_REF":
			if x.Matcher.Type.ID != "ANY_REF" && !glob(x.Matcher.ID).MatchString(branch) && !glob(x.Matcher.ID).MatchString(headsPrefix+branch) {
				return true
			}
			if exceptions {
				rules.Known = false
				return true
			}
			rules.PushRestricted, rules.Rule = true, x.Type+" for "+cleanText(x.Matcher.ID)
		default:
			rules.Known = false
		}
		return !rules.PushRestricted
	})
	return tolerate(rules, err)
}
