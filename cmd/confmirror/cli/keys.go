package cli

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// makeSealer finds the encryption key: the configured one, the one in data_dir, or
// a new one. A new one is made only for a database that seals nothing yet: beside
// other daemons, or after the file was lost, it could open nothing.
func makeSealer(ctx context.Context, c *configs.Config, log *slog.Logger) (*db.Sealer, error) {
	var previous [][]byte
	for _, secret := range c.Encryption.PreviousKeys {
		key, err := configs.DecodeKey(secret)
		if err != nil {
			return nil, misuse("encryption.previous_keys: %w", err)
		}
		previous = append(previous, key)
	}
	if !c.Encryption.Key.IsZero() {
		key, err := configs.DecodeKey(c.Encryption.Key)
		if err != nil {
			return nil, misuse("encryption.key: %w", err)
		}
		return db.NewSealer(key, previous...)
	}
	path := filepath.Join(c.DataDir, db.EncryptionKeyFile)
	if missing(path) {
		sealed, err := sealsSomething(ctx, c, log)
		if err != nil {
			return nil, err
		}
		if sealed {
			return nil, hint(
				misuse("the database holds credentials, and the encryption key that opens them is not here: there is no encryption.key, and no file %s", path),
				"set encryption.key (or encryption.key_file) to the key of the other daemons, or bring the file back")
		}
	}
	key, created, err := db.LoadOrCreateKey(c.DataDir, log)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nil, noDataDir(err)
	}
	if err != nil {
		return nil, &usageError{err}
	}
	if created {
		log.Info("made an encryption key; keep a copy, stored credentials cannot be read without it", "path", path)
	}
	return db.NewSealer(key, previous...)
}

func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// sealsSomething reports whether the database holds sealed credentials.
func sealsSomething(ctx context.Context, c *configs.Config, log *slog.Logger) (bool, error) {
	if there, err := databaseExists(c); err != nil || !there {
		return false, err
	}
	database, err := db.Open(ctx, databaseOptions(c, log, nil))
	if err != nil {
		return false, err
	}
	defer database.Close()
	if err := database.Migrate(ctx); err != nil {
		return false, err
	}
	mirrors, err := database.Mirrors(ctx)
	if err != nil {
		return false, err
	}
	for _, m := range mirrors {
		info, err := database.Connection(ctx, m.OrganizationID)
		if err != nil {
			return false, err
		}
		if info.HasClientSecret || info.HasAccessToken || info.HasWebhookSecret {
			return true, nil
		}
	}
	return false, nil
}

// tokenSetting holds the hash of the admin token that all daemons of a database share.
const tokenSetting = "admin_token"

// adminToken finds the admin token: the configured one, the one in data_dir, or a
// new one; file is where it stands, "" for a configured one.
//
// A configured token becomes that of the database. So does one in a file beside
// the embedded database, which no other daemon uses. On a shared database a file's
// token that is another than the known one would let nobody in elsewhere: that is
// an error, and nothing is made.
func adminToken(ctx context.Context, c *configs.Config, database *db.DB, log *slog.Logger) (token mirror.Secret, file string, err error) {
	known, err := database.Setting(ctx, tokenSetting)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return token, "", err
	}
	if token = c.Admin.Token; !token.IsZero() {
		return token, "", replaceToken(ctx, database, log, known, token)
	}
	file = filepath.Join(c.DataDir, db.AdminTokenFile)
	shared := !c.Database.URL.IsZero()
	if shared && known != "" && missing(file) {
		return token, file, foreignToken(file)
	}
	token, created, err := db.LoadOrCreateToken(c.DataDir, log)
	if err != nil {
		return token, file, &usageError{err}
	}
	if !shared {
		return token, file, replaceToken(ctx, database, log, known, token)
	}
	if known, err = database.KeepSetting(ctx, tokenSetting, tokenHash(token)); err != nil {
		return token, file, err
	}
	if !sameHash(known, token) {
		if created { // another daemon was faster by a moment
			os.Remove(file)
		}
		return token, file, foreignToken(file)
	}
	return token, file, nil
}

func replaceToken(ctx context.Context, database *db.DB, log *slog.Logger, known string, token mirror.Secret) error {
	if sameHash(known, token) {
		return nil
	}
	if known != "" {
		log.Info("the admin token was changed")
	}
	return database.PutSetting(ctx, tokenSetting, tokenHash(token))
}

func foreignToken(file string) error {
	return hint(
		misuse("the daemons of this database share an admin token, which is neither configured here nor in %s", file),
		"set admin.token (or admin.token_file) to the same token for all of them; a new one set here replaces the old one")
}

func tokenHash(token mirror.Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return fmt.Sprintf("sha256:%s", hex.EncodeToString(sum[:]))
}

func sameHash(known string, token mirror.Secret) bool {
	return subtle.ConstantTimeCompare([]byte(known), []byte(tokenHash(token))) == 1
}
