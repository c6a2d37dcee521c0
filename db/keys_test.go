package db

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestParseKey(t *testing.T) {
	raw := append(bytes.Repeat([]byte{0xfb, 0xff}, 15), 1, 2) // - and _ in the URL alphabet
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw) + "\n", base64.RawURLEncoding.EncodeToString(raw),
	} {
		if got, err := ParseKey(text); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%q: %x, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":         "is empty",
		"a secret": "is not base64",
		"c2hvcnQ=": "has 5 bytes",
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestKeyAndTokenAreMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	key, created, err := LoadOrCreateKey(dir, slog.New(slog.DiscardHandler))
	if err != nil || !created {
		t.Fatal(created, err)
	}
	again, created, err := LoadOrCreateKey(dir, slog.New(slog.DiscardHandler))
	if err != nil || created || !bytes.Equal(key, again) {
		t.Fatal(created, err)
	}
	token, created, err := LoadOrCreateToken(dir, slog.New(slog.DiscardHandler))
	if err != nil || !created || len(token.Reveal()) < 26 {
		t.Fatal(created, err)
	}
	same, created, err := LoadOrCreateToken(dir, slog.New(slog.DiscardHandler))
	if err != nil || created || same != token {
		t.Fatal(created, err)
	}
	for _, name := range []string{EncryptionKeyFile, AdminTokenFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestKeysMadeAtTheSameTimeAreOne(t *testing.T) {
	dir := t.TempDir()
	keys := make([][]byte, 8)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			var err error
			if keys[i], _, err = LoadOrCreateKey(dir, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, k := range keys {
		if !bytes.Equal(k, keys[0]) {
			t.Fatal("two keys were made")
		}
	}
}

func TestSecretFilesAreTightened(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, AdminTokenFile)
	if err := os.WriteFile(path, []byte("let-me-in\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	token, _, err := LoadOrCreateToken(dir, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil || token.Reveal() != "let-me-in" {
		t.Fatal(token, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if !strings.Contains(log.String(), "level=WARN") || strings.Contains(log.String(), "let-me-in") {
		t.Errorf("log %s", log.String())
	}
}

func TestBadSecretFilesAreNeverReplaced(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "short": "c2hvcnQ=\n", "long": strings.Repeat("x", 5000)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, EncryptionKeyFile)
			if err := os.WriteFile(path, []byte(content), fs.FileMode(0o600)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := LoadOrCreateKey(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v", err)
			}
			if now, _ := os.ReadFile(path); string(now) != content {
				t.Error("the file was replaced")
			}
		})
	}
}
