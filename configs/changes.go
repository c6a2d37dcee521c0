package configs

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/confmirror/confmirror/mirror"
)

// Changes lists the keys whose values differ, for the log of a reload: "sync.poll",
// "mirrors[0].client_secret". A key of a mirror that only one side has is listed by
// its mirror. Values are not told; a secret read from a file counts as its own key's.
func Changes(old, new *Config) []string {
	before, after := values(old), values(new)
	var list []string
	for _, key := range sortedKeys(after) {
		if was, ok := before[key]; !ok || was != after[key] {
			list = append(list, mirrorOnly(key, ok))
		}
	}
	for _, key := range sortedKeys(before) {
		if _, ok := after[key]; !ok {
			list = append(list, mirrorOnly(key, false))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mirrorOnly shortens a key that one side lacks to its mirror's.
func mirrorOnly(key string, both bool) string {
	var i int
	if n, _ := fmt.Sscanf(key, "mirrors[%d]", &i); n == 1 && !both {
		return indexed("mirrors", i)
	}
	return key
}

// NeedsRestart reports whether a running daemon cannot take up a change of the key.
func NeedsRestart(key string) bool {
	return slices.Contains(restartKeys, key)
}

// restartKeys are what a daemon holds on to: its directory and database with their locks,
// its listener, the keys that everything stored is sealed with, and the form of its log.
var restartKeys = []string{"data_dir", "database.url", "encryption.key", "encryption.previous_keys", "http.listen", "log.format"}

// Adoptable is what a daemon that runs with old can take up of new: all but what needs a
// restart, which stays as it is.
func Adoptable(old, new *Config) *Config {
	c := *new
	c.DataDir, c.Database.URL, c.Encryption, c.Log.Format = old.DataDir, old.Database.URL, old.Encryption, old.Log.Format
	if c.HTTP.PublicURL == derivedURL(c.HTTP.Listen) {
		c.HTTP.PublicURL = derivedURL(old.HTTP.Listen)
	}
	c.HTTP.Listen = old.HTTP.Listen
	return &c
}

// values gives each key's value as text, secrets included: not for showing.
func values(c *Config) map[string]string {
	all := map[string]string{}
	walk(reflect.ValueOf(c).Elem(), "", func(f leaf) {
		switch v := f.value.Interface().(type) {
		case mirror.Secret:
			all[f.key] = v.Reveal()
		case []mirror.Secret:
			for i, s := range v {
				all[f.key] += fmt.Sprintf("%d %q ", i, s.Reveal())
			}
		case *string:
			if v != nil {
				all[f.key] = *v
			}
		default:
			all[f.key] = fmt.Sprintf("%q", fmt.Sprint(v))
		}
	})
	return all
}
