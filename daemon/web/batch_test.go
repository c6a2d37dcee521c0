package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Lists of large documents come in small pages, however many were asked for, and nothing is
// left out.
func TestLargeDocumentsEndAPage(t *testing.T) {
	w := embedded(t, nil)
	acme := w.connect("acme", nil)
	filler := strings.Repeat("x", 1<<20)
	for i := range skillsRead + 2 {
		slug := fmt.Sprintf("s-%02d", i)
		w.do("PUT", org("acme", "skills/"+slug), map[string]any{"slug": slug, "files": []any{skillFile("SKILL.md", skillText(slug, "d")), skillFile("big", filler)}}).is(201)
	}
	for i := range filesRead + 2 {
		slug := fmt.Sprintf("c-%03d", i)
		w.do("PUT", org("acme", "commands/"+slug), map[string]any{"slug": slug, "name": "C", "prompt": filler[:100_000]}).is(201)
	}
	m, err := w.db.Mirror(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	m.Identity = mirror.Identity{Repository: repositoryUUID, Branch: "main", Prefix: "acme"}
	var conflicts []*mirror.Conflict
	for i := range skillsRead + 2 {
		slug := fmt.Sprintf("s-%02d", i)
		skill := &document.Document{Kind: document.Skills, Slug: slug, Files: []document.File{{Path: "SKILL.md", Content: []byte(filler)}}}
		conflicts = append(conflicts, &mirror.Conflict{
			Key: mirror.Key{Kind: document.Skills, Path: "skills/" + slug}, Slug: slug, Reason: mirror.ConflictBothChanged, Database: skill, Decided: document.PreferGit, Places: []string{"SKILL.md"},
		})
	}
	if err := w.db.Intend(t.Context(), m, "run", nil, conflicts); err != nil {
		t.Fatal(err)
	}
	for path, first := range map[string]int{"skills": skillsRead, "commands": filesRead, "conflicts": skillsRead} {
		page := w.do("GET", org("acme", path+"?limit=1000"), nil).is(200)
		rest := w.do("GET", org("acme", path+"?limit=1000&cursor="+page.at("next_cursor").(string)), nil).is(200)
		if n, more := len(page.at("items").([]any)), len(rest.at("items").([]any)); n != first || more != 2 || rest.at("next_cursor") != "" {
			t.Errorf("%s: %d, then %d items", path, n, more)
		}
	}
	// Few are asked for, few come.
	if page := w.do("GET", org("acme", "conflicts?limit=3"), nil).is(200); len(page.at("items").([]any)) != 3 {
		t.Errorf("%d items", len(page.at("items").([]any)))
	}
}
