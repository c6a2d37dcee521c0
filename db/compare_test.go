package db

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() { storeCases["pairs of rows and bases"] = testPairs }

func testPairs(t *testing.T, w *world) {
	agreedOn := map[string]string{}
	for _, slug := range []string{"both", "moved", "gone", "deleted", "private", "alone", "mine"} {
		agreedOn[slug] = w.insert(slug, slug)
	}
	var bases []*mirror.Base
	for _, slug := range []string{"both", "moved", "gone", "deleted", "private"} {
		bases = append(bases, agreed(toolkit(slug, slug), agreedOn[slug]))
	}
	w.settle(mirror.Settlement{Bases: bases})
	w.exec("UPDATE toolkits SET slug = 'elsewhere' WHERE slug = 'moved'")
	w.exec("DELETE FROM toolkits WHERE slug = 'gone'")
	w.exec("UPDATE toolkits SET deleted_at = created_at WHERE slug = 'deleted'")
	w.exec("UPDATE toolkits SET owner_id = 'ada' WHERE slug IN ('private', 'mine')")

	pairs, err := w.db.Pairs(t.Context(), w.mirror, document.Toolkits)
	w.ok(err)
	got := map[string]string{}
	for _, p := range pairs {
		row, base := "none", "none"
		if p.Row != nil {
			row = p.Row.Slug
		}
		if p.Base != nil {
			base = p.Base.Slug
		}
		got[base+" "+row] = ""
		if p.Row != nil && p.Row.ID != agreedOn[base] && p.Row.ID != agreedOn["alone"] {
			t.Errorf("%s is paired with row %s", base, p.Row.ID)
		}
	}
	w.equal(got, map[string]string{"both both": "", "moved elsewhere": "", "gone none": "", "deleted none": "", "private none": "", "none alone": ""})
	if pairs, err := w.db.Pairs(t.Context(), w.mirror, document.Skills); err != nil || len(pairs) != 0 {
		t.Errorf("skills: %v, %v", pairs, err)
	}

	rows, err := w.db.Rows(t.Context(), w.mirror, document.Toolkits, []string{agreedOn["both"], agreedOn["gone"]})
	w.ok(err)
	if r := rows[agreedOn["both"]]; len(rows) != 1 || r == nil || r.Document == nil || r.Document.Fields["name"] != "both" {
		t.Errorf("%+v", rows)
	}
}
