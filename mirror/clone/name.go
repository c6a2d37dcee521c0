package clone

import (
	"strings"
	"unicode"
)

// safeName reports whether a tree entry's name may become a file's name. Names
// that some file system takes for .git or for a way out are refused; names that
// only Windows dislikes (con.json, nul.json) are ordinary.
func safeName(name string) bool {
	return name != "" && name != "." && name != ".." &&
		!strings.ContainsAny(name, "/\x00") && len(name) <= 255 && !isDotGit(name)
}

// isDotGit reports whether a file system could take name for .git: in another
// case, by its short name, with a stream, trailing dots or spaces, behind a
// backslash, or with characters that HFS+ ignores.
func isDotGit(name string) bool {
	for part := range strings.SplitSeq(name, `\`) {
		part, _, _ = strings.Cut(part, ":")
		part = strings.TrimRight(part, ". ")
		part = strings.Map(func(r rune) rune {
			if ignoredByHFS(r) {
				return -1
			}
			return unicode.ToLower(r)
		}, part)
		if part == ".git" || part == "git~1" {
			return true
		}
		if part == "" && strings.Contains(name, `\`) && strings.Contains(name, "..") {
			return true // ..\x
		}
	}
	return false
}

func ignoredByHFS(r rune) bool {
	switch {
	case r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x206a && r <= 0x206f, r == 0xfeff:
		return true
	}
	return false
}

// safePath is safeName for every component of a slash path.
func safePath(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if !safeName(part) {
			return false
		}
	}
	return true
}
