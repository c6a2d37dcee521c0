package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/document"
)

func (s *script) export(ctx context.Context) (string, error) {
	want := []string{
		"README.md", "commands/release-notes.json", "commands/triage-issue.json", "mcp-clients/desktop.json",
		"mcp-servers/github.json", "mcp-servers/warehouse.json",
		"skills/code-review/SKILL.md", "skills/code-review/assets/dot.png", "skills/code-review/scripts/check.sh",
		"toolkits/data-analyst.json", "toolkits/github-triage.json",
	}
	var files []bitbuckettest.File
	err := until(ctx, func(context.Context) (err error) {
		if files, err = s.repo.Tree(demoBranch); err == nil && len(files) < len(want) {
			return notYet("the branch has %d files, not %d", len(files), len(want))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		for _, secret := range demoSecrets {
			if strings.Contains(string(f.Content), secret) {
				return "", fmt.Errorf("%s holds a secret", f.Path)
			}
		}
		switch {
		case f.Path == "README.md" && string(f.Content) != demoReadme:
			return "", errors.New("README.md was touched")
		case strings.HasSuffix(f.Path, "check.sh") != (f.Mode == bitbuckettest.ModeExecutable):
			return "", fmt.Errorf("%s has mode %s", f.Path, f.Mode)
		case strings.HasSuffix(f.Path, "dot.png") && string(f.Content) != string(demoPicture):
			return "", errors.New("the picture was changed")
		}
	}
	if got := strings.Join(paths, " "); got != strings.Join(want, " ") {
		return "", fmt.Errorf("the branch has %s", got)
	}
	_, err = s.sync(ctx) // the run that exported has ended
	return fmt.Sprintf("%d files; the private toolkit and %d secrets stayed in the database", len(files)-1, len(demoSecrets)), err
}

func (s *script) gitEdit(ctx context.Context) (string, error) {
	const description = "Keeps the issue list very short"
	hook, err := s.madeHook(ctx)
	if err != nil {
		return "", err
	}
	before := len(hook.Deliveries())
	if err := s.push(ctx, "Shorten further", map[string]func(string) string{
		"toolkits/github-triage.json": replace("Keeps the issue list short", description),
	}); err != nil {
		return "", err
	}
	if err := s.arrives(ctx, "toolkits", "github-triage", "description", description); err != nil {
		return "", err
	}
	if err := hook.Wait(ctx); err != nil {
		return "", err
	}
	for _, d := range hook.Deliveries()[before:] {
		if d.State != bitbuckettest.DeliveryDelivered || d.Statuses[len(d.Statuses)-1] != 202 {
			return "", fmt.Errorf("the webhook was answered %v", d.Statuses)
		}
	}
	return "the signed webhook was answered 202", nil
}

// madeHook is the webhook that the daemon made.
func (s *script) madeHook(ctx context.Context) (hook *bitbuckettest.Hook, err error) {
	err = until(ctx, func(context.Context) error {
		hooks := s.repo.Hooks()
		if len(hooks) == 0 {
			return notYet("the daemon has made no webhook")
		}
		hook = hooks[0]
		return nil
	})
	return hook, err
}

func (s *script) badFile(ctx context.Context) (string, error) {
	const description = "Sort what came in since yesterday"
	if err := s.push(ctx, "Two edits, one of them broken", map[string]func(string) string{
		"toolkits/data-analyst.json": replace(`"Data analyst",`, `"Data analyst"`),
		"commands/triage-issue.json": replace("Sort what came in overnight", description),
	}); err != nil {
		return "", err
	}
	if err := s.arrives(ctx, "commands", "triage-issue", "description", description); err != nil {
		return "", err
	}
	message := ""
	err := until(ctx, func(ctx context.Context) error {
		e, err := s.entityError(ctx, "toolkits", "data-analyst")
		switch {
		case err != nil:
			return err
		case e == nil:
			return notYet("data-analyst has no error")
		case e.Code != document.InvalidJSON:
			return fmt.Errorf("data-analyst has the error %s: %s", e.Code, e.Message)
		}
		message = string(e.Code) + ": " + e.Message
		return nil
	})
	if err != nil {
		return "", err
	}
	got, err := s.value(ctx, "toolkits", "data-analyst", "description")
	if err == nil && got != "Asks the warehouse" {
		err = fmt.Errorf("the bad file changed its entity: %q", got)
	}
	return message, err
}

func (s *script) mendFile(ctx context.Context) (string, error) {
	const description = "Asks the warehouse politely"
	if err := s.push(ctx, "Mend it", map[string]func(string) string{
		"toolkits/data-analyst.json": func(content string) string {
			content = strings.Replace(content, `"Data analyst"`, `"Data analyst",`, 1)
			return strings.Replace(content, "Asks the warehouse", description, 1)
		},
	}); err != nil {
		return "", err
	}
	if err := s.arrives(ctx, "toolkits", "data-analyst", "description", description); err != nil {
		return "", err
	}
	e, err := s.entityError(ctx, "toolkits", "data-analyst")
	if err == nil && e != nil {
		err = fmt.Errorf("the error is still there: %s", e.Message)
	}
	return "git_integration holds no error any more", err
}

// meanwhile lets both sides be edited before the daemon sees either.
func (s *script) meanwhile(ctx context.Context, edits func() error) error {
	if err := s.api(ctx, "POST", "/mirror/pause", nil); err != nil {
		return err
	}
	if err := edits(); err != nil {
		return err
	}
	return s.api(ctx, "POST", "/mirror/resume", nil)
}

func (s *script) mergeBoth(ctx context.Context) (string, error) {
	err := s.meanwhile(ctx, func() error {
		if err := s.exec(ctx, "UPDATE toolkits SET name = 'Triage on GitHub' WHERE slug = 'github-triage'"); err != nil {
			return err
		}
		return s.push(ctx, "Let it list less", map[string]func(string) string{
			"toolkits/github-triage.json": replace("very short", "short and kind"),
		})
	})
	if err != nil {
		return "", err
	}
	if err := s.arrives(ctx, "toolkits", "github-triage", "description", "Keeps the issue list short and kind"); err != nil {
		return "", err
	}
	err = until(ctx, func(context.Context) error {
		files, err := s.repo.Files(demoBranch)
		file := files["toolkits/github-triage.json"]
		if err == nil && (!strings.Contains(file, "Triage on GitHub") || !strings.Contains(file, "short and kind")) {
			return notYet("the merged file is not on the branch:\n%s", file)
		}
		return err
	})
	return "the name from the database and the description from git, on both sides", err
}

func (s *script) conflict(ctx context.Context) (string, error) {
	err := s.meanwhile(ctx, func() error {
		if err := s.exec(ctx, "UPDATE commands SET prompt = 'The database''s prompt' WHERE slug = 'release-notes'"); err != nil {
			return err
		}
		return s.push(ctx, "Another prompt", map[string]func(string) string{
			"commands/release-notes.json": replace("List what changed since {{tag}}.", "Git's prompt"),
		})
	})
	if err != nil {
		return "", err
	}
	if err := s.arrives(ctx, "commands", "release-notes", "prompt", "Git's prompt"); err != nil {
		return "", err
	}
	var kept struct {
		Items []struct {
			Slug     string         `json:"slug"`
			Decided  string         `json:"decided"`
			Database map[string]any `json:"database"`
		} `json:"items"`
	}
	if err := s.api(ctx, "GET", "/conflicts", &kept); err != nil {
		return "", err
	}
	if len(kept.Items) != 1 || kept.Items[0].Slug != "release-notes" || kept.Items[0].Decided != "git" ||
		kept.Items[0].Database["prompt"] != "The database's prompt" {
		return "", fmt.Errorf("conflicts hold %+v", kept.Items)
	}
	_, err = s.sync(ctx)
	return "git won, as sync.conflict says; the database's prompt is in the conflicts", err
}

func (s *script) databaseEdit(ctx context.Context) (string, error) {
	before, err := s.repo.Log(demoBranch)
	if err != nil {
		return "", err
	}
	err = s.exec(ctx, "UPDATE mcp_servers SET description = 'Sales and stock', updated_by = 'Grace Hopper <grace@example.com>' WHERE slug = 'warehouse'")
	if err != nil {
		return "", err
	}
	after := before
	err = until(ctx, func(context.Context) (err error) {
		if after, err = s.repo.Log(demoBranch); err == nil && len(after) == len(before) {
			return notYet("the branch has no new commit")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	c := after[0]
	if len(after) != len(before)+1 || c.Author.Email != "grace@example.com" || !strings.Contains(c.Message, "Confmirror-Run: ") {
		return "", fmt.Errorf("%d new commits, the last by %s: %s", len(after)-len(before), c.Author.Email, c.Message)
	}
	return fmt.Sprintf("%.10s %q by %s", c.Hash, c.Subject(), c.Author.Name), nil
}

func (s *script) quiet(ctx context.Context) (string, error) {
	for range 2 {
		r, err := s.sync(ctx)
		if err != nil {
			return "", err
		}
		if len(r.Commits) > 0 || r.Exported+r.Imported+r.Deleted+r.Merged > 0 {
			return "", fmt.Errorf("a run found something to do: %+v", r)
		}
	}
	log, err := s.repo.Git("log", "--format=%H %T %P", demoBranch)
	if err != nil {
		return "", err
	}
	trees, commits := map[string]string{}, strings.Split(strings.TrimSpace(log), "\n")
	for _, line := range commits {
		f := strings.Fields(line)
		trees[f[0]] = f[1]
	}
	for _, line := range commits {
		if f := strings.Fields(line); len(f) == 3 && trees[f[2]] == f[1] {
			return "", fmt.Errorf("commit %s is empty", f[0])
		}
	}
	for _, look := range [][]string{{"status", "--porcelain", "--ignored"}, {"fsck", "--no-progress", "--no-dangling"}} {
		out, err := s.git(ctx, append([]string{"-C", s.clone()}, look...)...)
		if err != nil {
			return "", err
		}
		if out != "" {
			return "", fmt.Errorf("git %s in the clone says: %s", look[0], out)
		}
	}
	config, err := os.ReadFile(filepath.Join(s.clone(), ".git", "config"))
	if err != nil {
		return "", err
	}
	if strings.Contains(string(config), "x-token-auth") {
		return "", errors.New("the clone's configuration holds credentials")
	}
	return fmt.Sprintf("%d commits, each with a change; git status and git fsck have nothing to say", len(commits)), nil
}
