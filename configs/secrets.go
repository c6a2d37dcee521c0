package configs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror"
)

// maxSecret bounds a secret's file.
const maxSecret = 64 << 10

// pairs visits each secret with its "_file" key.
func (l *loader) pairs(visit func(secret leaf, fileKey string)) {
	walk(reflect.ValueOf(l.config).Elem(), "", func(f leaf) {
		if f.file.IsValid() {
			visit(f, f.key+"_file")
		}
	})
}

// settlePairs makes sure that of a secret and its file one is left. Both from the
// same layer contradict each other; in a later layer either replaces the other of
// an earlier one.
func (l *loader) settlePairs(layer func(where string) bool) {
	l.pairs(func(secret leaf, fileKey string) {
		if secret.value.IsZero() || secret.file.IsZero() {
			return
		}
		value, file := layer(l.origins[secret.key].where), layer(l.origins[fileKey].where)
		switch {
		case value && file:
			l.report(Problem{Where: l.origins[fileKey].where, Key: fileKey, Message: fmt.Sprintf(
				"%s is given too; expected only one of the two", secret.key)})
		case value:
			secret.file.SetZero()
		case file:
			secret.value.SetZero()
		}
	})
}

// readSecrets reads the secrets that stand in files.
func (l *loader) readSecrets() {
	l.pairs(func(secret leaf, fileKey string) {
		name := secret.file.String()
		if name == "" {
			return
		}
		where := l.origins[fileKey]
		path, err := l.secretPath(name, where.where)
		if err == nil {
			l.config.files = append(l.config.files, path)
			err = l.readSecret(secret.value, path)
		}
		if err != nil {
			l.report(Problem{Where: where.where, Key: fileKey, Message: fmt.Sprintf("%q: %v", name, plainCause(err)), Excerpt: where.excerpt, Err: err})
			return
		}
		l.at(secret.key, path, "")
	})
}

// secretPath resolves a "_file" key's value. In the configuration file a relative
// path starts at that file's directory, in a variable at the working directory.
// systemd and others tell where credentials are in one variable only.
func (l *loader) secretPath(name, where string) (string, error) {
	const variable = "CREDENTIALS_DIRECTORY"
	for _, prefix := range []string{"$" + variable + "/", "${" + variable + "}/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			dir, _ := lookup(l.environ, variable)
			if dir == "" {
				return "", errors.New("the environment has no " + variable)
			}
			name = filepath.Join(dir, rest)
		}
	}
	if !filepath.IsAbs(name) && l.fromFile(where) {
		name = filepath.Join(filepath.Dir(l.file), name)
	}
	return filepath.Abs(name)
}

func (l *loader) readSecret(v reflect.Value, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return err
	}
	text := strings.TrimRight(string(content), "\r\n")
	switch {
	case len(content) > maxSecret:
		return fmt.Errorf("expected at most %v", Size(maxSecret))
	case strings.TrimSpace(text) == "":
		// An emptied mount must not turn a check off: no webhook secret means unsigned.
		return errors.New("the file is empty; expected a secret in it")
	}
	if v.Kind() == reflect.Slice {
		return setList(v, strings.Fields(text))
	}
	return setText(v, text)
}

// plainCause says what a file's error is without its path, which the caller names.
func plainCause(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the file may not be read by this user")
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// checkSecrets refuses what no credential contains and no header or URL can carry.
func (l *loader) checkSecrets() {
	l.pairs(func(secret leaf, _ string) {
		if s, ok := secret.value.Interface().(mirror.Secret); ok {
			if text := s.Reveal(); !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				l.invalid(secret.key, "the secret holds a line break or another control character; expected one line of text")
			}
		}
	})
}

// KeySize is the length of an encryption key in bytes.
const KeySize = 32

// DecodeKey gives the bytes of encryption.key or one of the previous keys:
// base64, with or without padding.
func DecodeKey(key mirror.Secret) ([]byte, error) {
	text := strings.TrimRight(key.Reveal(), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		raw, err = base64.RawURLEncoding.DecodeString(text)
	}
	if err != nil || len(raw) != KeySize {
		return nil, fmt.Errorf("expected %d bytes in base64, such as `openssl rand -base64 %d` prints", KeySize, KeySize)
	}
	return raw, nil
}
