package db

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// KeySize is the length of an encryption key in bytes.
const KeySize = 32

// sealVersion begins every sealed value: AES-256-GCM with a random nonce, its
// key derived by HKDF-SHA256.
const sealVersion = "v1"

// ErrSealBroken says that a sealed value does not open although its key is
// known: it was damaged, or copied from another row or column.
var ErrSealBroken = errors.New("a sealed value does not open: it was changed, or belongs to another row")

// UnknownKeyError says that a value was sealed with a key that is not configured.
type UnknownKeyError struct{ KeyID string }

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("sealed with the encryption key %s, which is neither encryption.key nor one of encryption.previous_keys", e.KeyID)
}

// Sealer encrypts credentials for the database, and opens them. What it seals is
// text: "v1:<key id>:<base64>". The zero secret is sealed as "".
//
// The aad names the place of a value (table, row and column): a sealed value
// that is copied elsewhere does not open there.
type Sealer struct {
	present *sealKey
	keys    map[string]*sealKey // by id, the present one included
}

// sealKey is one configured key. The four derived values are independent: the
// id and the fingerprint, which are stored in clear, tell nothing of the other.
type sealKey struct {
	id          string
	fingerprint string
	aead        cipher.AEAD
	digesting   []byte
}

// NewSealer makes a sealer that seals with key and opens what key or the
// previous ones sealed.
func NewSealer(key []byte, previous ...[]byte) (*Sealer, error) {
	s := &Sealer{keys: map[string]*sealKey{}}
	for i, k := range append([][]byte{key}, previous...) {
		derived, err := newSealKey(k)
		if err != nil {
			if i > 0 {
				return nil, fmt.Errorf("previous key %d: %w", i, err)
			}
			return nil, err
		}
		if s.present == nil {
			s.present = derived
		}
		if _, ok := s.keys[derived.id]; !ok {
			s.keys[derived.id] = derived
		}
	}
	return s, nil
}

func newSealKey(key []byte) (*sealKey, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("an encryption key has %d bytes, not %d", KeySize, len(key))
	}
	derive := func(purpose string, size int) ([]byte, error) {
		return hkdf.Key(sha256.New, key, nil, "confmirror/"+purpose, size)
	}
	id, err1 := derive("key id", 4)
	fingerprint, err2 := derive("fingerprint", 16)
	sealing, err3 := derive("seal credentials", KeySize)
	digesting, err4 := derive("digest", KeySize)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealKey{id: hex.EncodeToString(id), fingerprint: hex.EncodeToString(fingerprint), aead: aead, digesting: digesting}, nil
}

// KeyID names the key that Seal uses.
func (s *Sealer) KeyID() string { return s.present.id }

// Fingerprint identifies the key that Seal uses: equal keys have equal fingerprints.
func (s *Sealer) Fingerprint() string { return s.present.fingerprint }

// HasFingerprint reports whether one of the keys, present or previous, has the fingerprint.
func (s *Sealer) HasFingerprint(fingerprint string) bool {
	for _, key := range s.keys {
		if key.fingerprint == fingerprint {
			return true
		}
	}
	return false
}

// Seal encrypts a secret for the place that aad names.
func (s *Sealer) Seal(secret mirror.Secret, aad string) (string, error) {
	if secret.IsZero() {
		return "", nil
	}
	box := s.present.aead.Seal(nil, nil, []byte(secret.Reveal()), []byte(aad))
	return sealVersion + ":" + s.present.id + ":" + base64.RawStdEncoding.EncodeToString(box), nil
}

// Open decrypts what Seal made for the same aad.
func (s *Sealer) Open(sealed, aad string) (mirror.Secret, error) {
	if sealed == "" {
		return mirror.Secret{}, nil
	}
	id, encoded, err := splitSealed(sealed)
	if err != nil {
		return mirror.Secret{}, err
	}
	key, ok := s.keys[id]
	if !ok {
		return mirror.Secret{}, &UnknownKeyError{KeyID: id}
	}
	box, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return mirror.Secret{}, ErrSealBroken
	}
	plain, err := key.aead.Open(nil, nil, box, []byte(aad))
	if err != nil {
		return mirror.Secret{}, ErrSealBroken
	}
	return mirror.NewSecret(string(plain)), nil
}

// digest names a value, made of parts, without telling it: nobody without the present key
// can try what it is the digest of.
func (s *Sealer) digest(purpose string, parts ...string) string {
	mac := hmac.New(sha256.New, s.present.digesting)
	mac.Write([]byte(encode(append([]string{purpose}, parts...))))
	return hex.EncodeToString(mac.Sum(nil))
}

// NeedsReseal reports whether a value was sealed with another key than the present one.
func (s *Sealer) NeedsReseal(sealed string) bool {
	id, _, err := splitSealed(sealed)
	return err == nil && id != s.present.id
}

func splitSealed(sealed string) (id, encoded string, err error) {
	version, rest, ok := strings.Cut(sealed, ":")
	id, encoded, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || version != sealVersion {
		return "", "", ErrSealBroken
	}
	return id, encoded, nil
}
