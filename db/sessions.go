package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
)

// A session lets a browser in until it ends, at whichever daemon it asks. The database has
// the hash of what the browser holds, so that who reads the one cannot be the other.

// maxSessions bounds what somebody with the right token can make: the oldest end.
const maxSessions = 1000

type sessionRow struct {
	ID        string `gorm:"primaryKey"`
	Who       string
	Proof     string
	CreatedAt timestamp
	ExpiresAt timestamp
}

func (sessionRow) TableName() string { return "panel_sessions" }

func sessionID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// StartSession lets who in for a while, and answers with what the browser is to hold. proof
// is what let them in, such as the admin token: with another one the session ends. (It is
// kept as a keyed digest.)
func (d *DB) StartSession(ctx context.Context, who string, proof mirror.Secret, ttl time.Duration) (mirror.Secret, error) {
	digest, err := d.Digest("session", proof.Reveal())
	if err != nil {
		return mirror.Secret{}, err
	}
	token := rand.Text()
	err = d.write(ctx, func(tx *gorm.DB) error {
		err := tx.Exec("INSERT INTO panel_sessions (id, who, proof, created_at, expires_at) VALUES (?, ?, ?, "+d.sqlNow()+", "+d.sqlIn(ttl)+")",
			sessionID(token), who, digest).Error
		if err != nil {
			return err
		}
		return tx.Exec("DELETE FROM panel_sessions WHERE id IN (SELECT s.id FROM panel_sessions AS s ORDER BY s.created_at DESC, s.id LIMIT ? OFFSET ?)",
			maxSessions, maxSessions).Error
	})
	return mirror.NewSecret(token), d.fault(err)
}

// Session tells who holds a session's token; ErrNotFound when it has ended, or proof is
// another one now.
func (d *DB) Session(ctx context.Context, token string, proof mirror.Secret) (who string, err error) {
	digest, err := d.Digest("session", proof.Reveal())
	if err != nil {
		return "", err
	}
	var row sessionRow
	err = d.gorm.WithContext(ctx).Where("id = ? AND proof = ? AND expires_at > "+d.sqlNow(), sessionID(token), digest).Take(&row).Error
	if err != nil {
		return "", d.missing(err)
	}
	return row.Who, nil
}

// EndSession ends one; a token that is none's ends nothing.
func (d *DB) EndSession(ctx context.Context, token string) error {
	return d.fault(d.gorm.WithContext(ctx).Where("id = ?", sessionID(token)).Delete(&sessionRow{}).Error)
}
