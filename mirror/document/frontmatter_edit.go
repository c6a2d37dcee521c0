package document

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// with is the content with another text for a top-level key of the frontmatter;
// everything else stays, quotes and comments included. Where that cannot be
// done so that the text is read back, it is the content unchanged.
func (f *frontmatter) with(key, text string) []byte {
	old, present := f.values[key]
	if present && old.isText && old.text == text {
		return f.content
	}
	start, end, prefix, suffix := f.start, f.start, "", ""
	quotes := []byte{0, '"'}
	if present {
		start, end = f.span(old)
		if c := f.content[min(start, len(f.content)-1)]; c == '"' || c == '\'' {
			quotes = []byte{c, '"'}
		}
	} else {
		prefix, suffix = f.indent()+key+": ", f.newline()
	}
	for _, quote := range quotes {
		value, ok := writeScalar(text, quote)
		if !ok {
			continue
		}
		content := slices.Concat(f.content[:start], []byte(prefix+value+suffix), f.content[end:])
		if f.readsBack(content, key, text) {
			return content
		}
	}
	return f.content
}

// readsBack reports whether an edited content says what it should for key, and
// what it said before for every other.
func (f *frontmatter) readsBack(content []byte, key, text string) bool {
	edited, p := readFrontmatter(content)
	if p != nil {
		return false
	}
	count := len(f.values)
	if _, present := f.values[key]; !present {
		count++
	}
	if value := edited.values[key]; !value.isText || value.text != text || len(edited.values) != count {
		return false
	}
	for other, before := range f.values {
		if after := edited.values[other]; other != key && (before.text != after.text || before.isText != after.isText) {
			return false
		}
	}
	return true
}

// indent is what stands before the frontmatter's keys, newline how its lines end.
func (f *frontmatter) indent() string {
	for _, value := range f.values {
		return string(f.content[f.lineStart(value.key):value.key])
	}
	return ""
}

func (f *frontmatter) newline() string {
	if bytes.HasSuffix(f.content[:f.start], []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func (f *frontmatter) lineStart(at int) int {
	return f.start + bytes.LastIndexByte(f.content[f.start:at], '\n') + 1
}

// span is where a scalar is written, without anchor, tag and comment.
func (f *frontmatter) span(s scalar) (start, end int) {
	src, at := f.content[:f.end], s.at
	for at < len(src) && (src[at] == '&' || src[at] == '!') {
		for at < len(src) && src[at] > ' ' {
			at++
		}
		for at < len(src) && (src[at] == ' ' || src[at] == '\t') {
			at++
		}
	}
	if at >= len(src) {
		return at, at
	}
	indent := s.key - f.lineStart(s.key)
	switch c := src[at]; {
	case c == '"' || c == '\'':
		return at, quotedEnd(src, at)
	case s.flow:
		if i := bytes.IndexAny(src[at:], ",}\n"); i >= 0 {
			src = src[:at+i]
		}
		return at, at + len(bytes.TrimRight(src[at:], " \t\r"))
	case c == '|' || c == '>':
		return at, blockEnd(src, at, indent, false)
	}
	return at, blockEnd(src, at, indent, true)
}

// quotedEnd is the offset after the closing quote of a scalar.
func quotedEnd(src []byte, at int) int {
	quote := src[at]
	for i := at + 1; i < len(src); i++ {
		switch {
		case quote == '"' && src[i] == '\\':
			i++
		case src[i] != quote:
		case quote == '\'' && i+1 < len(src) && src[i+1] == quote:
			i++
		default:
			return i + 1
		}
	}
	return len(src)
}

// blockEnd is the offset after the last line of a scalar that goes on as long as
// lines are indented deeper than its key; a comment ends a plain one.
func blockEnd(src []byte, at, indent int, plain bool) int {
	end := at
	for i := at; i < len(src); {
		next := len(src)
		if n := bytes.IndexByte(src[i:], '\n'); n >= 0 {
			next = i + n + 1
		}
		line := src[i:next]
		content := bytes.Trim(line, " \t\r\n")
		if i > at && len(content) > 0 && len(line)-len(bytes.TrimLeft(line, " ")) <= indent {
			break
		}
		if plain {
			if comment := yamlComment.FindIndex(line); comment != nil && (i > at || comment[0] > 0) {
				if before := bytes.TrimRight(line[:comment[0]], " \t"); len(bytes.TrimSpace(before)) > 0 {
					end = i + len(before)
				}
				break
			}
		}
		if len(content) > 0 {
			end = i + len(bytes.TrimRight(line, " \t\r\n"))
		}
		i = next
	}
	return end
}

var yamlComment = regexp.MustCompile(`(?:^|[ \t])#`)

// plainScalar matches texts that need no quotes, by far not all of them: no
// indicator that could be taken for YAML, no white space at an end or doubled.
var plainScalar = regexp.MustCompile(`^\pL[\pL\pN()./;!?'"=+_,-]*(?: [\pL\pN()./;!?'"=+_,-]+)*$`)

// yamlWords are plain scalars that some YAML readers take for something else
// than a string.
var yamlWords = map[string]bool{
	"null": true, "true": true, "false": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true,
}

// writeScalar writes a YAML string with the given quote, 0 for none; ok is false
// if it cannot be written so.
func writeScalar(text string, quote byte) (yaml string, ok bool) {
	switch quote {
	case 0:
		return text, plainScalar.MatchString(text) && !yamlWords[strings.ToLower(text)]
	case '\'':
		return "'" + strings.ReplaceAll(text, "'", "''") + "'", !strings.ContainsFunc(text, needsEscape)
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\r':
			out.WriteString(`\r`)
		case needsEscape(r) && r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String(), true
}

// needsEscape reports whether a character must not stand raw in a YAML file, or
// would break the line.
func needsEscape(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) || r == '\u2028' || r == '\u2029' || r == '\u0085' || r == '\ufeff'
}
