package db

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// guard is what a row's guard is the digest of: names and values, each of which says
// where it ends. No guard outlives the process that took it.
type guard struct{ text []byte }

var guards = sync.Pool{New: func() any { return new(guard) }}

// giveBack keeps the guard's room for the next row, unless it grew out of the ordinary.
func (g *guard) giveBack() {
	if cap(g.text) <= 64<<10 {
		g.text = g.text[:0]
		guards.Put(g)
	}
}

// note adds one value, whatever layout and literals the database gave it. What cannot
// be read counts as it stands.
func (g *guard) note(name string, value any, unreadable bool, at any) {
	g.add(name)
	if unreadable {
		g.text = append(g.text, '!')
		switch at := at.(type) {
		case *jsonColumn:
			value = string(*at)
		case *flag:
			value = at.Other
		}
	}
	g.add(value)
}

// add writes a value of document.ParseValue's types.
func (g *guard) add(value any) {
	switch value := value.(type) {
	case nil:
		g.text = append(g.text, 'n')
	case bool:
		g.text = strconv.AppendBool(g.text, value)
	case string:
		g.size('s', len(value))
		g.text = append(g.text, value...)
	case json.Number:
		g.size('#', len(value))
		g.text = append(g.text, value...)
	case []any:
		g.size('[', len(value))
		for _, element := range value {
			g.add(element)
		}
	case map[string]any:
		g.size('{', len(value))
		for _, key := range slices.Sorted(maps.Keys(value)) {
			g.add(key)
			g.add(value[key])
		}
	default:
		g.add(fmt.Sprintf("%#v", value))
	}
}

func (g *guard) size(sign byte, n int) {
	g.text = append(strconv.AppendInt(append(g.text, sign), int64(n), 10), ':')
}

// file adds one of a skill's files.
func (g *guard) file(f skillFileRow) {
	sum := sha256.Sum256(f.Content)
	g.add(f.Path)
	g.add(f.Executable.Bool)
	g.text = append(g.text, sum[:]...)
}

// digest is the guard.
func (g *guard) digest() string {
	sum := sha256.Sum256(g.text)
	return hex.EncodeToString(sum[:])
}
