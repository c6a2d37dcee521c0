package daemon_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// nested is an array of n levels.
func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// TestHostileText_I9: what is no JSON, no UTF-8 or no text that both databases hold
// is an error of its file, with its place, and what only looks odd is imported.
func TestHostileText_I9(t *testing.T) {
	bad := map[string]struct{ content, code, says string }{
		"nul":             {"{\"slug\":\"nul\",\"name\":\"a\x00b\"}", "INVALID_JSON", "line 1, column"},
		"nul-escaped":     {"{\n\"slug\":\"nul-escaped\",\"name\":\"a\\u0000b\"}", "VALIDATION_FAILED", "line 2, column"},
		"nul-in-key":      {`{"slug":"nul-in-key","name":"N","a\u0000b":1}`, "VALIDATION_FAILED", "U+0000"},
		"nul-deep":        {`{"slug":"nul-deep","name":"N","x":[{"k":["\u0000"]}]}`, "VALIDATION_FAILED", "U+0000"},
		"nul-between":     {"{\"slug\":\"nul-between\",\x00\"name\":\"N\"}", "INVALID_JSON", "line 1"},
		"utf16":           {"\xff\xfe{\x00\"\x00s\x00", "INVALID_JSON", "UTF-16"},
		"utf16be":         {"\xfe\xff\x00{\x00\"", "INVALID_JSON", "UTF-16"},
		"utf16-no-mark":   {"{\x00\"\x00s\x00l\x00u\x00g\x00\"\x00", "INVALID_JSON", "line 1"},
		"utf32":           {"\xff\xfe\x00\x00{\x00\x00\x00", "INVALID_JSON", "UTF-32"},
		"latin":           {"{\"slug\":\"latin\",\"name\":\"caf\xe9\"}", "INVALID_JSON", "UTF-8"},
		"overlong":        {"{\"slug\":\"overlong\",\"name\":\"\xc0\xaf\"}", "INVALID_JSON", "UTF-8"},
		"raw-surrogate":   {"{\"slug\":\"raw-surrogate\",\"name\":\"\xed\xa0\x80\"}", "INVALID_JSON", "UTF-8"},
		"surrogate":       {`{"slug":"surrogate","name":"\ud83d"}`, "VALIDATION_FAILED", "surrogate"},
		"surrogate-low":   {`{"slug":"surrogate-low","name":"\ude00x"}`, "VALIDATION_FAILED", "surrogate"},
		"surrogate-twice": {`{"slug":"surrogate-twice","name":"\ud83d\ud83d"}`, "VALIDATION_FAILED", "surrogate"},
		"surrogate-key":   {`{"slug":"surrogate-key","name":"N","\udead":1}`, "VALIDATION_FAILED", "surrogate"},
		"control":         {"{\"slug\":\"control\",\"name\":\"a\x01b\"}", "INVALID_JSON", "line 1"},
		"line-break":      {"{\"slug\":\"line-break\",\"name\":\"a\nb\"}", "INVALID_JSON", "line 1"},
		"twice":           {`{"slug":"twice","name":"N","name":"M"}`, "INVALID_JSON", "twice"},
		"twice-escaped":   {`{"slug":"twice-escaped","name":"N","n\u0061me":"M"}`, "INVALID_JSON", "twice"},
		"twice-deep":      {`{"slug":"twice-deep","name":"N","integrations":{"a":{"tools":[]},"\u0061":{}}}`, "INVALID_JSON", "twice"},
		"twice-unknown":   {`{"slug":"twice-unknown","name":"N","x":[{"k":1,"k":1}]}`, "INVALID_JSON", "twice"},
		"comment":         {"{\"slug\":\"comment\", // why\n\"name\":\"N\"}", "INVALID_JSON", "line 1"},
		"comma":           {`{"slug":"comma","name":"N",}`, "INVALID_JSON", "line 1"},
		"single-quotes":   {`{'slug':'single-quotes'}`, "INVALID_JSON", "line 1"},
		"conflict-marks":  {"<<<<<<< HEAD\n{\"slug\":\"conflict-marks\"}\n=======\n", "INVALID_JSON", "line 1"},
		"two-values":      {`{"slug":"two-values","name":"N"}{}`, "INVALID_JSON", "line 1"},
		"nothing":         {"", "INVALID_JSON", "line 1"},
		"blank":           {"\ufeff \n", "INVALID_JSON", "line 2"},
		"two-marks":       {"\ufeff\ufeff{}", "INVALID_JSON", "line 1"},
		"html":            {"<!doctype html>", "INVALID_JSON", "line 1"},
		"list":            {`[{"slug":"list","name":"N"}]`, "VALIDATION_FAILED", "object"},
		"text":            {`"text"`, "VALIDATION_FAILED", "object"},
		"depth-101":       {`{"slug":"depth-101","name":"N","x":` + nested(100) + `}`, "VALIDATION_FAILED", "deep"},
		"depth-million":   {strings.Repeat("[", 1000000), "VALIDATION_FAILED", "deep"},
		"objects":         {strings.Repeat(`{"a":`, 200000), "VALIDATION_FAILED", "deep"},
		"number-large":    {`{"slug":"number-large","name":"N","x":1e131072}`, "VALIDATION_FAILED", "digits"},
		"number-huge":     {`{"slug":"number-huge","name":"N","x":[1e999999999999999999]}`, "VALIDATION_FAILED", "digits"},
		"number-small":    {`{"slug":"number-small","name":"N","x":1e-16384}`, "VALIDATION_FAILED", "digits"},
		"number-long":     {`{"slug":"number-long","name":"N","x":` + strings.Repeat("9", 131073) + `}`, "VALIDATION_FAILED", "digits"},
		"number-many":     {`{"slug":"number-many","name":"N","x":[1` + strings.Repeat(",1e131071", 40) + `]}`, "VALIDATION_FAILED", "digits"},
		"number-hex":      {`{"slug":"number-hex","name":"N","x":0x10}`, "INVALID_JSON", "line 1"},
		"number-nan":      {`{"slug":"number-nan","name":"N","x":NaN}`, "INVALID_JSON", "line 1"},
		"number-zero":     {`{"slug":"number-zero","name":"N","x":01}`, "INVALID_JSON", "line 1"},
		"other-slug":      {`{"slug":"kept","name":"Usurper"}`, "VALIDATION_FAILED", "slug"},
		"slug-number":     {`{"slug":1,"name":"N"}`, "VALIDATION_FAILED", "slug"},
	}
	fine := map[string]string{
		"depth-100":    `{"slug":"depth-100","name":"N","x":` + nested(99) + `}`,
		"emoji":        `{"slug":"emoji","name":"\ud83d\ude00 😀"}`,
		"noncharacter": `{"slug":"noncharacter","name":"\uffff\ufdd0","x":"` + "\uffff" + `"}`,
		"odd-keys":     `{"slug":"odd-keys","name":"N","":1," ":{"\n":2},"__proto__":{},"constructor":"c","x-\u200b":3}`,
		"separators":   "{\"slug\":\"separators\",\"name\":\"a\u2028b\u2029c\u0085d\"}",
		"bom":          "\ufeff{\"slug\":\"bom\",\"name\":\"N\"}",
		"long-text":    `{"slug":"long-text","name":"` + strings.Repeat("n", 500000) + `"}`,
		"many-keys":    `{"slug":"many-keys","name":"N"` + manyKeys(20000) + `}`,
	}
	digits := `{"slug":"digits","name":"N","prompt":"p","x-n":12345678901234567890,"x-m":-0.00000000000000000001,"x-l":1e400,"x-e":[1e131071,1e-16383]}`
	eachWorld(t, nil, func(w *world) {
		w.insert("toolkits", "slug", "'kept'", "name", "'Kept'")
		w.synced()
		w.commit(bitbuckettest.Write("commands/digits.json", digits))
		w.synced()
		var changes []bitbuckettest.Change
		want := map[string]string{}
		for slug, c := range bad {
			changes = append(changes, bitbuckettest.Write("toolkits/"+slug+".json", c.content))
			want["toolkits/"+slug+".json"] = c.code
		}
		for slug, content := range fine {
			changes = append(changes, bitbuckettest.Write("toolkits/"+slug+".json", content))
		}
		w.commit(changes...)
		if report := w.synced(); report["imported"].(float64) != float64(len(fine)) || report["errors"].(float64) != float64(len(bad)) {
			w.t.Errorf("%v imported, %v errors", report["imported"], report["errors"])
		}
		w.wantRejected("toolkits", want)
		for _, item := range w.get("toolkits")["rejected"].([]any) {
			r := item.(map[string]any)
			if message := r["error"].(map[string]any)["message"].(string); !strings.Contains(message, bad[r["slug"].(string)].says) {
				w.t.Errorf("%s: %q does not say %q", r["slug"], message, bad[r["slug"].(string)].says)
			}
		}
		w.quiet()
		w.checkClone()
		// The odd ones go out again as they came in, but for what changed.
		w.exec("UPDATE toolkits SET status = 'draft'")
		w.exec("UPDATE commands SET prompt = 'q'")
		w.synced()
		w.wantFile("commands/digits.json", strings.Replace(digits, `"p"`, `"q"`, 1))
		if extra := w.query("SELECT extra FROM commands"); !strings.Contains(extra, "12345678901234567890") || !strings.Contains(extra, "-0.00000000000000000001") {
			w.t.Errorf("extra holds %.200s", extra)
		}
		for slug, content := range fine {
			if status, _, _ := strings.Cut(w.files()["toolkits/"+slug+".json"], `,"status":"draft"`); !strings.HasPrefix(content, status) || len(status) < 20 {
				w.t.Errorf("%s became %.200q", slug, w.files()["toolkits/"+slug+".json"])
			}
		}
		w.quiet()
		// Mended, every error is gone.
		changes = nil
		for slug := range bad {
			changes = append(changes, bitbuckettest.Write("toolkits/"+slug+".json", fmt.Sprintf(`{"slug":%q,"name":"Mended"}`, slug)))
		}
		w.commit(changes...)
		w.synced()
		w.wantRejected("toolkits", nil)
		if n := w.query("SELECT count(*) FROM toolkits WHERE name = 'Mended'"); n != fmt.Sprint(len(bad)) {
			w.t.Errorf("%s of %d mended files were imported", n, len(bad))
		}
		if got := w.mirror(); got["errors"].(float64) != 0 {
			w.t.Errorf("mirror: %v", got)
		}
		w.quiet()
		w.checkClone()
	})
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"x-%d":%d`, i, i)
	}
	return b.String()
}
