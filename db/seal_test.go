package db

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

func testKey(b byte) []byte { return bytes.Repeat([]byte{b}, KeySize) }

func newTestSealer(t *testing.T, present []byte, previous ...[]byte) *Sealer {
	t.Helper()
	s, err := NewSealer(present, previous...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealRoundTrip(t *testing.T) {
	s := newTestSealer(t, testKey(1))
	const place = "bitbucket_connections/1/client_secret"
	sealed, err := s.Seal(mirror.NewSecret("hunter2"), place)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(sealed, "v1:"+s.KeyID()+":") || strings.Contains(sealed, "hunter2") {
		t.Fatalf("sealed %q", sealed)
	}
	again, _ := s.Seal(mirror.NewSecret("hunter2"), place)
	if again == sealed {
		t.Error("equal secrets are sealed equally: their equality shows")
	}
	opened, err := s.Open(sealed, place)
	if err != nil || opened.Reveal() != "hunter2" {
		t.Fatalf("opened %q, %v", opened.Reveal(), err)
	}
	if _, err := s.Open(sealed, "bitbucket_connections/2/client_secret"); !errors.Is(err, ErrSealBroken) {
		t.Errorf("opened in another row: %v", err)
	}
}

func TestSealNothing(t *testing.T) {
	s := newTestSealer(t, testKey(1))
	if sealed, err := s.Seal(mirror.Secret{}, "x"); sealed != "" || err != nil {
		t.Errorf("sealed %q, %v", sealed, err)
	}
	if opened, err := s.Open("", "x"); !opened.IsZero() || err != nil {
		t.Errorf("opened %v, %v", opened, err)
	}
	if s.NeedsReseal("") {
		t.Error("nothing needs no reseal")
	}
}

func TestSealRotation(t *testing.T) {
	before := newTestSealer(t, testKey(1))
	sealed, _ := before.Seal(mirror.NewSecret("s"), "x")

	after := newTestSealer(t, testKey(2), testKey(1))
	if !after.NeedsReseal(sealed) || before.NeedsReseal(sealed) {
		t.Error("only the new sealer has to seal anew")
	}
	if opened, err := after.Open(sealed, "x"); err != nil || opened.Reveal() != "s" {
		t.Errorf("opened %v, %v", opened, err)
	}
	if !after.HasFingerprint(before.Fingerprint()) || before.HasFingerprint(after.Fingerprint()) {
		t.Error("fingerprints")
	}

	_, err := newTestSealer(t, testKey(2)).Open(sealed, "x")
	if unknown, ok := errors.AsType[*UnknownKeyError](err); !ok || unknown.KeyID != before.KeyID() {
		t.Errorf("error %v", err)
	}
}

func TestSealBroken(t *testing.T) {
	s := newTestSealer(t, testKey(1))
	good, _ := s.Seal(mirror.NewSecret("s"), "x")
	for _, sealed := range []string{"s", "v1", "v2" + good[2:], good[:len(good)-4], good + "!", "v1:" + s.KeyID() + ":", "v1:" + s.KeyID()} {
		if _, err := s.Open(sealed, "x"); !errors.Is(err, ErrSealBroken) {
			t.Errorf("%q: %v", sealed, err)
		}
	}
}

func TestSealerRefusesShortKeys(t *testing.T) {
	if _, err := NewSealer(make([]byte, 16)); err == nil {
		t.Error("16 bytes were accepted")
	}
	if _, err := NewSealer(testKey(1), nil); err == nil || !strings.Contains(err.Error(), "previous key 1") {
		t.Errorf("error %v", err)
	}
}
