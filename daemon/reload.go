package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/mirror"
)

// setting is the configuration that the daemon runs with.
type setting struct {
	mu       sync.Mutex
	config   *configs.Config
	token    mirror.Secret
	replaced chan struct{} // closed when there is another one
}

func newSetting(c *configs.Config, token mirror.Secret) *setting {
	return &setting{config: c, token: token, replaced: make(chan struct{})}
}

func (s *setting) get() (c *configs.Config, token mirror.Secret, replaced <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config, s.token, s.replaced
}

func (s *setting) replace(c *configs.Config, token mirror.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.token = c, token
	close(s.replaced)
	s.replaced = make(chan struct{})
}

// config is the configuration as it is now. It is never changed, but replaced.
func (d *Daemon) config() *configs.Config {
	c, _, _ := d.setting.get()
	return c
}

// follow runs work with a part of the configuration until ctx ends, and anew whenever that
// part is another one.
func follow[T comparable](ctx context.Context, s *setting, part func(*configs.Config) T, work func(ctx context.Context, part T)) {
	for ctx.Err() == nil {
		c, _, replaced := s.get()
		now := part(c)
		during, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() { work(during, now) })
		for same := true; same && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case <-replaced:
				c, _, replaced = s.get()
				same = part(c) == now
			}
		}
		stop()
		wg.Wait()
	}
}

// Reload takes up another configuration and admin token while the daemon runs. It is all
// taken up or, with an error, nothing of it; what needs a restart stays as it was, which is a
// condition of the daemon until it is so again.
func (d *Daemon) Reload(ctx context.Context, c *configs.Config, token mirror.Secret) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	old, oldToken, _ := d.setting.get()
	waiting := slices.DeleteFunc(configs.Changes(old, c), func(key string) bool { return !configs.NeedsRestart(key) })
	c = configs.Adoptable(old, c)
	taken := configs.Changes(old, c)
	gone := released(old, c)
	if err := d.connectConfigured(ctx, c, func(organization string) bool { return !slices.Contains(gone, organization) }); err != nil {
		return err
	}
	if len(taken) > 0 || token.Reveal() != oldToken.Reveal() {
		d.setting.replace(c, token)
		d.answers.Update(d.webOptions())
		d.log.Info("the configuration was changed", "config", c.Path, "keys", strings.Join(taken, " "))
		if slices.ContainsFunc(taken, func(key string) bool { return strings.HasPrefix(key, "sync.") }) {
			for _, id := range d.leases.ids() {
				d.queue.Nudge(id, Nudge{Trigger: "settings", Look: true})
			}
		}
	}
	d.conditions.clear(mirror.CodeConfigInvalid)
	if len(waiting) == 0 {
		d.conditions.clear(mirror.CodeConfigNeedsRestart)
	} else if d.conditions.set(mirror.CodeConfigNeedsRestart, "The configuration has changes that a running daemon cannot take up: "+strings.Join(waiting, ", ")+".",
		"Restart the daemon when it suits, or change them back.") {
		d.log.Warn("changes of the configuration wait for a restart", "keys", strings.Join(waiting, " "))
	}
	return nil
}

// Adoptable is what of a configuration Reload would take up.
func (d *Daemon) Adoptable(c *configs.Config) *configs.Config {
	return configs.Adoptable(d.config(), c)
}

// RefuseConfig tells that the configuration cannot be read or taken up, and that the daemon
// goes on with the one it has. It reports whether that is news.
func (d *Daemon) RefuseConfig(err error) bool {
	why, remedy := err.Error(), "Mend it: it is taken up as soon as the file is saved. A restart would fail with it."
	var problems *configs.Error
	var fault *mirror.Fault
	switch {
	case errors.As(err, &problems):
		why = problems.Problems[0].Summary()
		if more := len(problems.Problems) - 1; more > 0 {
			why += fmt.Sprintf(" (and %d more)", more)
		}
	case errors.As(err, &fault):
		why, remedy = fault.Message, strings.TrimSpace(fault.Remedy+" It is tried again each minute.")
	}
	return d.conditions.set(mirror.CodeConfigInvalid, "The changed configuration is not taken up, and the one before is still in force: "+strings.TrimSuffix(why, ".")+".", remedy)
}

// released are the organizations whose mirror was configured, and is not any more.
func released(old, c *configs.Config) (organizations []string) {
	for _, m := range old.Mirrors {
		if !slices.ContainsFunc(c.Mirrors, func(n *configs.MirrorConfig) bool { return n.Organization == m.Organization }) {
			organizations = append(organizations, m.Organization)
		}
	}
	return organizations
}
