package clone

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// commit is what the clone needs to know of a commit.
type commit struct {
	tree    plumbing.Hash
	parents []plumbing.Hash
}

var errCommit = errors.New("malformed commit")

func parseCommit(data []byte) (*commit, error) {
	c := &commit{}
	line, rest, ok := bytes.Cut(data, []byte("\n"))
	if id, isTree := bytes.CutPrefix(line, []byte("tree ")); !ok || !isTree || !parseHex(&c.tree, id) {
		return nil, errCommit
	}
	for {
		line, next, ok := bytes.Cut(rest, []byte("\n"))
		id, isParent := bytes.CutPrefix(line, []byte("parent "))
		if !ok || !isParent {
			return c, nil
		}
		var p plumbing.Hash
		if !parseHex(&p, id) {
			return nil, errCommit
		}
		c.parents = append(c.parents, p)
		rest = next
	}
}

// parseHex reads exactly one id.
func parseHex(id *plumbing.Hash, hex []byte) bool {
	got, ok := toID(mirror.Hash(hex))
	*id = got
	return ok
}

// encodeCommit writes a commit object that passes git fsck --strict whatever
// the signature and the message hold.
func encodeCommit(tree plumbing.Hash, parents []plumbing.Hash, author, committer mirror.Signature, message string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tree %s\n", tree)
	for _, parent := range parents {
		if !parent.IsZero() {
			fmt.Fprintf(&b, "parent %s\n", parent)
		}
	}
	fmt.Fprintf(&b, "author %s\n", signatureLine(author, committer))
	fmt.Fprintf(&b, "committer %s\n", signatureLine(committer, committer))
	b.WriteByte('\n')
	b.WriteString(cleanMessage(message))
	return b.Bytes()
}

// signatureLine is "Name <email> seconds zone"; what is empty comes from fallback.
func signatureLine(s, fallback mirror.Signature) string {
	name, email := cleanName(s.Name), cleanEmail(s.Email)
	if name == "" {
		name = cleanName(fallback.Name)
	}
	if name == "" {
		name = "confmirror"
	}
	if email == "" {
		email = cleanEmail(fallback.Email)
	}
	if email == "" {
		email = "confmirror@localhost"
	}
	when := s.When
	if when.IsZero() {
		when = fallback.When
	}
	if when.Before(time.Unix(0, 0)) || when.Year() > 2099 {
		when = time.Unix(0, 0).UTC() // git refuses dates it cannot count
	}
	zone := when.Format("-0700")
	return fmt.Sprintf("%s <%s> %d %s", name, email, when.Unix(), zone)
}

// cleanName drops what would end a signature or a line, and the punctuation
// that git itself trims at the ends of a name.
func cleanName(s string) string {
	return strings.Trim(strings.Join(strings.Fields(dropSpecial(s)), " "), " .,:;\"\\'")
}

func cleanEmail(s string) string { return strings.Join(strings.Fields(dropSpecial(s)), "") }

func dropSpecial(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '<', r == '>', unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// cleanMessage ends lines with LF and the message with exactly one of them. A
// commit may hold no NUL, and is UTF-8 unless it says otherwise.
func cleanMessage(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Trim(s, "\n")
	if strings.TrimSpace(s) == "" {
		s = "Update configuration"
	}
	return s + "\n"
}
