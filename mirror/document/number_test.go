package document

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// What PostgreSQL 15 answers to SELECT '...'::jsonb.
func TestCanonicalNumber(t *testing.T) {
	for literal, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0.0", "1": "1", "1e2": "100", "1E+2": "100", "1.50": "1.50", "1.5e1": "15", "1.50e1": "15.0",
		"1e-2": "0.01", "100e-1": "10.0", "0.001e3": "1", "0e5": "0", "0e-5": "0.00000", "0e200000": "0", "-12.340": "-12.340", "10e-3": "0.010",
		"1e131071": "1" + strings.Repeat("0", 131071), "1e131072": "", "0.1e131072": "1" + strings.Repeat("0", 131071),
		"1e-16383": "0." + strings.Repeat("0", 16382) + "1", "1e-16384": "", "0e-16384": "",
		"1e99999999999999999999": "", "1e-99999999999999999999": "", "0e99999999999999999999": "", "0e-99999999999999999999": "",
	} {
		got, ok := canonicalNumber(literal)
		if ok != (want != "") || got != want {
			t.Errorf("%s: %.50s, %v, want %.50s", literal, got, ok, want)
		}
		if again, _ := canonicalNumber(got); ok && again != got {
			t.Errorf("%s: %.50s is not canonical", literal, got)
		}
	}
}

func TestNumberSyntax(t *testing.T) {
	for _, bad := range []string{"01", "-", "1.", ".5", "1e", "1e+", "+1", "-01", "0x1", "NaN", "1_000"} {
		if _, err := parseJSON([]byte("["+bad+"]"), 10); err == nil || err.code != InvalidJSON {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// soon is far above what linear work takes on a busy machine under the race
// detector, and far below what anything worse takes on these inputs.
const soon = 30 * time.Second

func TestHostileJSONIsQuick(t *testing.T) {
	const size = 1 << 20
	for name, file := range map[string]string{
		"arrays":       strings.Repeat("[", size),
		"objects":      strings.Repeat(`{"a":`, size/5),
		"numbers":      "[" + strings.Repeat("1e131071,", size/9) + "1]",
		"one number":   strings.Repeat("9", size),
		"one exponent": "1e" + strings.Repeat("9", size),
		"same keys":    "{" + strings.Repeat(`"a":1,`, size/6) + `"a":1}`,
		"escapes":      `"` + strings.Repeat(`\u0061`, size/6),
		"white space":  strings.Repeat(" ", size),
		"lines":        strings.Repeat("\n", size),
	} {
		start := time.Now()
		if _, p := ParseFile(Toolkits, "a", []byte(file), Limits{}); p == nil {
			t.Errorf("%s: no problem", name)
		} else if len(p.Message) > 200 {
			t.Errorf("%s: a message of %d bytes", name, len(p.Message))
		}
		if took := time.Since(start); took > soon {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// Edits and merges of the largest files stay near linear.
func TestLargeDocumentsAreQuick(t *testing.T) {
	var keys, list, args []string
	for i := range 20_000 {
		name := string(appendString(nil, "k"+strings.Repeat("x", i%3)+strconv.Itoa(i)))
		keys, list, args = append(keys, name+":"+strconv.Itoa(i)), append(list, name), append(args, `{"name":`+name+`}`)
	}
	join := func(s []string) string { return strings.Join(s, ",") }
	file := func(keys, list, args []string) *Document {
		return mustDocument(t, Commands, `{"slug":"a","x-o":{`+join(keys)+`},"x-l":[`+join(list)+`],"arguments":[`+join(args)+`]}`)
	}
	const half = 10_000
	b := file(keys[:half], list[:half], args[:half])
	x, y := file(keys, list, args), file(keys[half:], list[half:], args[half:])
	start := time.Now()
	for _, d := range []*Document{b, x, y} {
		if !readsAs(Edit(Encode(b), d), d) {
			t.Error("an edit lost something")
		}
	}
	Merge(b, x, y, PreferGit)
	Merge(nil, x, y, PreferGit)
	odd, even := strings.Repeat("a\nb\n", 1<<17), strings.Repeat("b\nc\na\n", 1<<17)
	mergeLines([]byte(odd), []byte(even), []byte(odd+even), PreferGit)
	if took := time.Since(start); took > soon {
		t.Errorf("took %v", took)
	}
}
