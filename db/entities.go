package db

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Entity is one entity as the API tells of it: everything but secrets.
type Entity struct {
	ID        string
	Kind      document.Kind
	Slug      string
	OwnerID   *string // nil: the organization's own
	UpdatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
	// Document is the file form. Of a row that another program left invalid it holds
	// what can be read; Problem says what is wrong.
	Document *document.Document
	Problem  *document.Problem
	// Secrets tells of each secret entry ("env/NAME") whether it has a value.
	Secrets                               map[string]bool
	HasAuth, HasClientID, HasClientSecret bool
	Integration                           mirror.GitIntegration
	// ETag stands for the complete stored content, secrets included, in the form of the header.
	ETag string
}

// entity tells of a stored row.
func (d *DB) entity(r *storedRow) *Entity {
	e := r.record.entity()
	entity := &Entity{
		ID: e.ID, Kind: r.kind, Slug: e.Slug, OwnerID: owner(r.record),
		CreatedAt: e.CreatedAt.Time, UpdatedAt: e.UpdatedAt.Time,
		Document: document.Redact(r.document), Problem: r.problem, ETag: d.etag(r),
	}
	if e.UpdatedBy != nil {
		entity.UpdatedBy = *e.UpdatedBy
	}
	if entity.Problem == nil {
		entity.Problem = entity.Document.Validate(*d.limits.Load())
	}
	if r.kind == document.MCPServers {
		entity.Secrets = secretsOf(r.document, entity.Document)
	}
	switch record := r.record.(type) {
	case *serverRow:
		entity.HasAuth = record.Auth != "" && record.Auth != "null"
	case *clientRow:
		entity.HasClientID = record.ClientID != nil && *record.ClientID != ""
		entity.HasClientSecret = record.ClientSecret != nil && *record.ClientSecret != ""
	}
	_ = json.Unmarshal([]byte(e.GitIntegration), &entity.Integration)
	return entity
}

// etag is keyed: the content has secrets in it, which nobody shall guess from their hash.
func (d *DB) etag(r *storedRow) string {
	var key []byte
	if d.sealer != nil { // a command that needs no credentials has none
		key = []byte(d.sealer.Fingerprint())
	}
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte(r.record.entity().ID + r.guard))
	return `"` + hex.EncodeToString(sum.Sum(nil))[:32] + `"`
}

// matches reports whether an If-Match header names the etag. "" asks for nothing.
func matches(header, etag string) bool {
	if header == "" {
		return true
	}
	for candidate := range strings.SplitSeq(header, ",") {
		if candidate = strings.TrimSpace(candidate); candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// live limits a query to the live rows under a slug; owner "" is the organization.
func (t *table) live(organizationID, slug, owner string) func(*gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		return tx.Scopes(t.ownedBy(owner)).Where("organization_id = ? AND slug = ? AND deleted_at IS NULL", organizationID, slug)
	}
}

// ownedBy limits a query to the rows of an owner; "" is the organization.
func (t *table) ownedBy(owner string) func(*gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		switch {
		case owner == "" && t.hasOwners():
			return tx.Where("owner_id IS NULL")
		case owner == "":
			return tx
		case t.hasOwners():
			return tx.Where("owner_id = ?", owner)
		}
		return tx.Where("1 = 0")
	}
}

// entityTable is where a kind lives; ErrNotFound for a kind or a slug that no
// row can have, which a database might refuse to compare with.
func entityTable(kind document.Kind, texts ...string) (*table, error) {
	t := tables[kind]
	for _, text := range texts {
		if !storable(text) {
			t = nil
		}
	}
	if t == nil {
		return nil, ErrNotFound
	}
	return t, nil
}

// storable reports whether both databases can hold a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
