package db

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror/document"
)

func TestOrganizations(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		acme, err := d.CreateOrganization(ctx, "acme", "Acme & Söhne")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.CreateOrganization(ctx, "acme", ""); !errors.Is(err, ErrSlugTaken) {
			t.Errorf("a second acme: %v", err)
		}
		for _, slug := range []string{"", "Acme", "../acme", "a b", "a--b"} {
			_, err := d.CreateOrganization(ctx, slug, "")
			if _, ok := errors.AsType[*document.Problem](err); !ok {
				t.Errorf("%q: %v", slug, err)
			}
		}
		bySlug, err := d.Organization(ctx, "acme")
		if err != nil || *bySlug != *acme || acme.Name != "Acme & Söhne" {
			t.Errorf("%+v, %v, want %+v", bySlug, err, acme)
		}
		if byID, err := d.OrganizationByID(ctx, acme.ID); err != nil || *byID != *acme {
			t.Errorf("%+v, %v", byID, err)
		}
		for _, id := range []string{uuid.NewString(), "no uuid", ""} {
			if _, err := d.OrganizationByID(ctx, id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		if _, err := d.Organization(ctx, "other"); !errors.Is(err, ErrNotFound) {
			t.Errorf("other: %v", err)
		}
		if err := d.RenameOrganization(ctx, acme.ID, ""); err != nil {
			t.Error(err)
		}
		if o, _ := d.Organization(ctx, "acme"); o.Name != "" {
			t.Errorf("name %q", o.Name)
		}
		if err := d.RenameOrganization(ctx, uuid.NewString(), "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("rename of none: %v", err)
		}
	})
}

func TestEnsureOrganizationAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		var created atomic.Int32
		ids := make([]string, 6)
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				o, made, err := d.EnsureOrganization(t.Context(), "acme")
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = o.ID
				if made {
					created.Add(1)
				}
			})
		}
		group.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("ids %v", ids)
			}
		}
		if created.Load() != 1 {
			t.Errorf("created %d times", created.Load())
		}
	})
}

func TestOrganizationPages(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		var want []string
		for i := range 5 {
			slug := fmt.Sprintf("org-%d", i)
			want = append(want, slug)
			if _, err := d.CreateOrganization(t.Context(), slug, ""); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		page := Page{Limit: 2}
		for {
			items, next, err := d.Organizations(t.Context(), page)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range items {
				got = append(got, o.Slug)
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v", got)
		}
		for _, cursor := range []string{"!", pageCursor("a", "b")} {
			if _, _, err := d.Organizations(t.Context(), Page{Cursor: cursor}); !errors.Is(err, ErrBadCursor) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}
