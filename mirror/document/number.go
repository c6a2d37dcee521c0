package document

import "strings"

// What PostgreSQL's numeric can hold, and so its jsonb: digits before and after
// the decimal point.
const (
	maxIntegerDigits  = 131072
	maxFractionDigits = 16383
)

const numberRange = "the number has more digits than the database can hold"

// number reads a number, its first byte being next, and returns it in canonical form.
func (p *parser) number() string {
	start := p.pos
	length, ok := scanNumber(p.src[p.pos:])
	p.pos += length
	if !ok {
		p.fail("the number is not complete")
	}
	text, ok := canonicalNumber(string(p.src[start:p.pos]))
	if !ok {
		p.stop(ValidationFailed, start, numberRange)
	}
	if p.expanded += len(text); p.expanded > maxExpansion {
		p.stop(ValidationFailed, start, "the numbers have more than %d digits when written out", maxExpansion)
	}
	return text
}

// scanNumber measures the number that src begins with; ok is false if it breaks
// off before it is a whole one.
func scanNumber[T string | []byte](src T) (length int, ok bool) {
	i := 0
	digits := func() bool {
		from := i
		for i < len(src) && '0' <= src[i] && src[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(src) && src[i] == '-' {
		i++
	}
	if i < len(src) && src[i] == '0' {
		i++
		if i < len(src) && '0' <= src[i] && src[i] <= '9' {
			return i, false // a leading zero
		}
	} else if !digits() {
		return i, false
	}
	if i < len(src) && src[i] == '.' {
		i++
		if !digits() {
			return i, false
		}
	}
	if i < len(src) && (src[i] == 'e' || src[i] == 'E') {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

// canonicalNumber writes a JSON number as PostgreSQL's jsonb gives it back: in
// full, without exponent, the scale kept (1.50 stays, 1.5e1 is 15, -0 is 0).
// ok is false if the database cannot hold it.
func canonicalNumber(literal string) (text string, ok bool) {
	rest, negative := strings.CutPrefix(literal, "-")
	exponent := 0
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		exponent = boundedExponent(rest[i+1:])
		rest = rest[:i]
	}
	whole, fraction, _ := strings.Cut(rest, ".")
	scale := len(fraction) - exponent
	digits := strings.TrimLeft(whole+fraction, "0")
	zero := digits == ""
	if scale < 0 {
		if !zero && len(digits)-scale > maxIntegerDigits {
			return "", false
		}
		if !zero {
			digits += strings.Repeat("0", -scale)
		}
		scale = 0
	}
	if scale > maxFractionDigits || len(digits)-scale > maxIntegerDigits || exponent >= exponentBound {
		return "", false
	}
	if pad := scale + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	if scale > 0 {
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if negative && !zero {
		digits = "-" + digits
	}
	return digits, true
}

// exponentBound is an exponent that no number has.
const exponentBound = 1 << 30

// boundedExponent reads an exponent of any length.
func boundedExponent(text string) int {
	text, negative := strings.CutPrefix(text, "-")
	value := 0
	for _, c := range strings.TrimPrefix(text, "+") {
		value = min(value*10+int(c-'0'), exponentBound)
	}
	if negative {
		return -value
	}
	return value
}

// canonicalLiteral is canonicalNumber for text from anywhere: what is no number
// at all, or too long for the database, stays as it is for Validate to refuse.
func canonicalLiteral(literal string) string {
	if length, ok := scanNumber(literal); !ok || length != len(literal) {
		return literal
	}
	if text, ok := canonicalNumber(literal); ok {
		return text
	}
	return literal
}
