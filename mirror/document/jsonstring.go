package document

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, its opening quote being next.
func (p *parser) str() string {
	start := p.pos
	p.pos++
	run := p.pos // where the bytes begin that stand for themselves
	p.scratch = p.scratch[:0]
	for {
		if p.pos >= len(p.src) {
			p.stop(InvalidJSON, start, "a string begins here and has no closing quote")
		}
		switch c := p.src[p.pos]; {
		case c == '"':
			last := p.src[run:p.pos]
			p.pos++
			if len(p.scratch) > 0 {
				p.scratch = append(p.scratch, last...)
				return string(p.scratch)
			}
			if name, known := knownNames[string(last)]; known {
				return name
			}
			return string(last)
		case c == '\\':
			p.scratch = append(p.scratch, p.src[run:p.pos]...)
			p.scratch = utf8.AppendRune(p.scratch, p.escape())
			run = p.pos
		case c == '\n' || c == '\r':
			p.stop(InvalidJSON, start, "a string begins here and has no closing quote on its line")
		case c < ' ':
			p.fail("a control character in a string must be written as an escape")
		default:
			p.pos++
		}
	}
}

// escape reads an escape sequence, its backslash being next.
func (p *parser) escape() rune {
	at := p.pos
	p.pos++
	c := p.peek()
	if c == 'u' {
		p.pos++
		return p.unicodeEscape(at)
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if c == 0 || i < 0 {
		p.stop(InvalidJSON, at, "no such escape sequence in a string")
	}
	p.pos++
	return rune("\"\\/\b\f\n\r\t"[i])
}

// unicodeEscape reads the digits of \uXXXX, and a second half if there is one.
func (p *parser) unicodeEscape(at int) rune {
	r := p.hex4(at)
	if r == 0 {
		p.stop(ValidationFailed, at, "the character U+0000 cannot be stored")
	}
	if !utf16.IsSurrogate(r) {
		return r
	}
	if strings.HasPrefix(string(p.src[p.pos:min(p.pos+2, len(p.src))]), `\u`) {
		p.pos += 2
		if full := utf16.DecodeRune(r, p.hex4(at)); full != utf8.RuneError {
			return full
		}
	}
	p.stop(ValidationFailed, at, "half of a surrogate pair is no character and cannot be stored")
	return 0
}

func (p *parser) hex4(at int) rune {
	var r rune
	for range 4 {
		c := p.peek()
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			p.stop(InvalidJSON, at, `four hexadecimal digits must follow \u`)
		}
		r = r<<4 | rune(c)
		p.pos++
	}
	return r
}
