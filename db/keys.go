package db

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// Files in data_dir that are made at first start.
const (
	EncryptionKeyFile = "encryption-key"
	AdminTokenFile    = "admin-token"
)

// ParseKey reads an encryption key: 32 bytes in base64. Its errors never repeat the text.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("the encryption key is empty: it has to be 32 bytes in base64 (openssl rand -base64 32)")
	}
	unpadded := strings.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(unpadded, "-_") {
		encoding = base64.RawURLEncoding
	}
	key, err := encoding.DecodeString(unpadded)
	if err != nil {
		return nil, errors.New("the encryption key is not base64: it has to be 32 bytes in base64 (openssl rand -base64 32)")
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("the encryption key has %d bytes: it has to be %d bytes in base64 (openssl rand -base64 32)", len(key), KeySize)
	}
	return key, nil
}

// LoadOrCreateKey reads data_dir/encryption-key, or makes one when there is no
// such file. A file that holds no key is an error: it is never replaced.
func LoadOrCreateKey(dataDir string, log *slog.Logger) (key []byte, created bool, err error) {
	path := filepath.Join(dataDir, EncryptionKeyFile)
	text, created, err := loadOrCreate(path, log, func() string {
		fresh := make([]byte, KeySize)
		rand.Read(fresh)
		return base64.StdEncoding.EncodeToString(fresh)
	})
	if err != nil {
		return nil, false, err
	}
	if key, err = ParseKey(text); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return key, created, nil
}

// LoadOrCreateToken reads data_dir/admin-token, or makes one when there is no such file.
func LoadOrCreateToken(dataDir string, log *slog.Logger) (token mirror.Secret, created bool, err error) {
	path := filepath.Join(dataDir, AdminTokenFile)
	text, created, err := loadOrCreate(path, log, rand.Text)
	if err != nil {
		return mirror.Secret{}, false, err
	}
	if text = strings.TrimSpace(text); text == "" {
		return mirror.Secret{}, false, fmt.Errorf("%s is empty: write a token into it, or remove it to have one made", path)
	}
	return mirror.NewSecret(text), created, nil
}

// loadOrCreate reads a secret file, or creates it. Of two processes that create
// it at the same time one wins, and both return the winner's text.
func loadOrCreate(path string, log *slog.Logger, fresh func() string) (text string, created bool, err error) {
	text, err = readSecretFile(path, log)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return text, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", false, err
	}
	text = fresh()
	err = createExclusively(path, text+"\n")
	if errors.Is(err, fs.ErrExist) {
		text, err = readSecretFile(path, log)
		return text, false, err
	}
	return text, err == nil, err
}

// readSecretFile reads a file that only its owner should be able to read, and
// takes the others' rights away. Where that is impossible (a mounted secret) it
// stays a warning: refusing to start would be worse than what already happened.
func readSecretFile(path string, log *slog.Logger) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		if err := f.Chmod(mode &^ 0o077); err != nil {
			log.Warn("others can read a secret file, and its mode cannot be changed", "path", path, "mode", mode.String(), "error", err)
		} else {
			log.Warn("others could read a secret file; its mode is now its owner's only", "path", path, "was", mode.String())
		}
	}
	const limit = 4096
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", err
	}
	if len(content) > limit {
		return "", fmt.Errorf("%s is no secret file: it has more than %d bytes", path, limit)
	}
	return string(content), nil
}

// createExclusively writes a new file, complete or not at all, readable for its
// owner only. fs.ErrExist when it exists already. (A rename would replace what
// another process has just created, so the finished file is linked into place.)
func createExclusively(path, content string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(content)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil { // a file system without links
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(content)
		return errors.Join(err, f.Close())
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		dir.Sync() // so that a power cut does not take the name; not every system can
		dir.Close()
	}
	return nil
}
