package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Hold is the list of what waits for a person.
type Hold struct {
	// ID stands for exactly this list: it changes with it.
	ID        string
	Items     []HeldItem
	CreatedAt time.Time // when the first item was held
}

// HeldItem is one held deletion, the held import of an MCP server, or a change whose pull
// request was declined.
type HeldItem struct {
	// Reason is mirror.ReasonHeld for a deletion, mirror.ReasonRebind for an import that
	// hands credentials to another target, mirror.ReasonDeclined for what was declined.
	Reason    mirror.Reason
	Direction mirror.Direction
	Kind      document.Kind
	Slug      string
	Path      string
}

// Hold returns what waits for a person; ErrNoHold without anything.
func (d *DB) Hold(ctx context.Context, organizationID string) (*Hold, error) {
	rows, err := heldRows(d.gorm.WithContext(ctx), organizationID)
	if err != nil {
		return nil, d.fault(err)
	}
	if len(rows) == 0 {
		return nil, ErrNoHold
	}
	return holdOf(rows), nil
}

// DecideHold approves or discards what is held, exactly the items that holdID
// stands for ("": those held now): ErrHoldChanged when it is another list. The
// next run carries the verdict out.
func (d *DB) DecideHold(ctx context.Context, organizationID, holdID string, verdict mirror.Verdict) error {
	if verdict != mirror.Approved && verdict != mirror.Discarded {
		return fmt.Errorf("db: %q is no verdict on a hold", verdict)
	}
	return d.write(ctx, func(tx *gorm.DB) error {
		// The connection's row is what a settle locks, too: the list cannot change meanwhile.
		if _, err := connectionForUpdate(tx, organizationID); err != nil {
			return err
		}
		rows, err := heldRows(tx.Clauses(clause.Locking{Strength: "UPDATE"}), organizationID)
		switch {
		case err != nil:
			return err
		case len(rows) == 0 && holdID == "":
			return ErrNoHold
		case len(rows) == 0 || holdID != "" && holdOf(rows).ID != holdID:
			return ErrHoldChanged
		}
		code := EventApproved
		if verdict == mirror.Discarded {
			code = EventDiscarded
		}
		if err := d.note(tx, organizationID, code, "Of what was held, %d were %s.", len(rows), verdict); err != nil {
			return err
		}
		return d.giveVerdict(tx.Scopes(held(organizationID)), organizationID, verdict)
	})
}

// Propose asks for a run that proposes once more what people declined, and that tries a
// branch again which refused pushes.
func (d *DB) Propose(ctx context.Context, organizationID string) error {
	return d.write(ctx, func(tx *gorm.DB) error {
		if _, err := connectionForUpdate(tx, organizationID); err != nil {
			return err
		}
		if err := d.note(tx, organizationID, EventProposed, "What people declined is proposed once more."); err != nil {
			return err
		}
		return d.giveVerdict(tx.Scopes(held(organizationID)).Where("reason = ?", mirror.ReasonDeclined), organizationID, mirror.Approved)
	})
}

// giveVerdict decides on the items of a query, and asks for the run that carries it out.
func (d *DB) giveVerdict(items *gorm.DB, organizationID string, verdict mirror.Verdict) error {
	tx := items.Session(&gorm.Session{NewDB: true})
	update := items.Model(&unsettledRow{}).Updates(map[string]any{"verdict": string(verdict), "due": true})
	if update.Error != nil {
		return update.Error
	}
	request := tx.Model(&connectionRow{}).Where("organization_id = ?", organizationID).
		UpdateColumn("requested", gorm.Expr("requested + 1"))
	if request.Error != nil {
		return request.Error
	}
	return d.wake(tx, organizationID)
}

// heldReasons are why something waits for a person.
var heldReasons = []string{string(mirror.ReasonHeld), string(mirror.ReasonRebind), string(mirror.ReasonDeclined)}

// held limits a query to what waits for a person in the place that is connected now.
func held(organizationID string) func(*gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB {
		return tx.Where("organization_id = ? AND reason IN ? AND verdict = ?", organizationID, heldReasons, string(mirror.Undecided)).
			Where("identity = (SELECT c.identity FROM bitbucket_connections AS c WHERE c.organization_id = ? AND c.disconnected_at IS NULL)", organizationID)
	}
}

func heldRows(tx *gorm.DB, organizationID string) ([]*unsettledRow, error) {
	var rows []*unsettledRow
	err := tx.Scopes(held(organizationID)).Find(&rows).Error
	slices.SortFunc(rows, func(a, b *unsettledRow) int { // here, not in SQL: collations differ
		if n := strings.Compare(a.Kind, b.Kind); n != 0 {
			return n
		}
		return strings.Compare(a.Path, b.Path)
	})
	return rows, err
}

func holdOf(rows []*unsettledRow) *Hold {
	h := &Hold{}
	sum := sha256.New()
	for _, row := range rows {
		fmt.Fprintf(sum, "%q %q %q %q %q %q\n", row.Identity, row.Direction, row.Kind, row.Path, row.GitID, row.Digest)
		h.Items = append(h.Items, HeldItem{mirror.Reason(row.Reason), mirror.Direction(row.Direction), document.Kind(row.Kind), row.Slug, row.Path})
		if h.CreatedAt.IsZero() || row.CreatedAt.Before(h.CreatedAt) {
			h.CreatedAt = row.CreatedAt.Time
		}
	}
	h.ID = hex.EncodeToString(sum.Sum(nil))[:12]
	return h
}
