package document

import (
	"strings"
	"unicode/utf8"
)

// Longest names that file systems and git take, in bytes.
const (
	maxComponent = 255
	maxPath      = 4096
)

// validatePaths checks the paths of a skill's files, alone and together.
func validatePaths(files []File) *Problem {
	seen := make(map[string]bool, len(files))
	for _, f := range files {
		if rule := pathRule(f.Path); rule != "" {
			return Invalid("the path %s %s", quoteKey(f.Path), rule)
		}
		if seen[f.Path] {
			return Invalid("the path %s is there twice", quoteKey(f.Path))
		}
		seen[f.Path] = true
	}
	for _, f := range files {
		for i, c := range f.Path {
			if c == '/' && seen[f.Path[:i]] {
				return Invalid("the path %s is both a file and a directory", quoteKey(f.Path[:i]))
			}
		}
	}
	return nil
}

// pathRule says what is wrong with a path below a skill's directory, "" if
// nothing is. It holds on every system that may check the repository out.
func pathRule(path string) string {
	switch {
	case path == "":
		return "is empty"
	case len(path) > maxPath:
		return "is too long"
	case !utf8.ValidString(path):
		return "is not UTF-8"
	case strings.Contains(path, `\`):
		return "holds a backslash"
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }):
		return "holds a control character"
	}
	for component := range strings.SplitSeq(path, "/") {
		switch {
		case component == "":
			return "must be relative, without empty parts"
		case component == "." || component == "..":
			return "must not hold . or .. as a part"
		case len(component) > maxComponent:
			return "has a part that is too long"
		case isDotGit(component):
			return "must not lead into a .git directory"
		}
	}
	return ""
}

// isDotGit reports whether a file system may take a name for ".git": NTFS
// ignores case, trailing dots and spaces, and what follows a colon, and knows
// the short name git~1; HFS+ ignores some code points.
func isDotGit(name string) bool {
	name = strings.Map(func(r rune) rune {
		switch {
		case 0x200c <= r && r <= 0x200f, 0x202a <= r && r <= 0x202e, 0x206a <= r && r <= 0x206f, r == 0xfeff:
			return -1
		}
		return r
	}, name)
	name, _, _ = strings.Cut(name, ":")
	name = strings.ToLower(strings.TrimRight(name, " ."))
	return name == ".git" || name == "git~1"
}
