package printable

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrintable(t *testing.T) {
	for it, test := range map[string]struct{ text, name, line string }{
		"nothing stays nothing":                       {"", "", ""},
		"a plain name stays as it is":                 {"oidc:jane@example.com", "oidc:jane@example.com", "oidc:jane@example.com"},
		"letters of any script stay":                  {"Grüße, 東京 и é", "Grüße, 東京 и é", "Grüße, 東京 и é"},
		"quotes and backslashes of a plain text stay": {`{"a":"\n"}`, `{"a":"\n"}`, `{"a":"\n"}`},
		"a line break begins no line":                 {"jane\nCritical", `"jane\nCritical"`, `jane\nCritical`},
		"nor do a carriage return and a tab":          {"a\r\tb", `"a\r\tb"`, `a\r\tb`},
		"an escape sequence steers no terminal":       {"a\x1b[2Jb", `"a\x1b[2Jb"`, `a\u001b[2Jb`},
		"nor does one of a single character":          {"a\u009b2Jb", `"a\u009b2Jb"`, `a\u009b2Jb`},
		"nor do a bell, a backspace and a delete":     {"\a\b\x7f", `"\a\b\x7f"`, `\u0007\u0008\u007f`},
		"a null ends nothing":                         {"a\x00b", `"a\x00b"`, `a\u0000b`},
		"no direction of writing is turned":           {"admin\u202etxt\u202c", `"admin\u202etxt\u202c"`, `admin\u202etxt\u202c`},
		"nor isolated":                                {"a\u2066b\u2069", `"a\u2066b\u2069"`, `a\u2066b\u2069`},
		"what has no width is seen":                   {"ad\u200bmin\ufeff", `"ad\u200bmin\ufeff"`, `ad\u200bmin\ufeff`},
		"nor do Unicode's own breaks begin a line":    {"a\u2028b\u2029c\u0085d", `"a\u2028b\u2029c\u0085d"`, `a\u2028b\u2029c\u0085d`},
		"a space that is none is seen":                {"a\u00a0b", `"a\u00a0b"`, `a\u00a0b`},
		"tags beyond the first plane are seen":        {"a\U000e0041b", `"a\U000e0041b"`, `a\udb40\udc41b`},
		"private characters are seen":                 {"\ue000", `"\ue000"`, `\ue000`},
		"bytes that are no text are seen":             {"a\xffb", `"a\xffb"`, `a\xffb`},
		"what stands for such bytes is plain":         {"a\ufffdb", "a\ufffdb", "a\ufffdb"},
	} {
		t.Run(it, func(t *testing.T) {
			if diff := cmp.Diff([]string{test.name, test.line}, []string{Name(test.text), Line(test.text)}); diff != "" {
				t.Error(diff)
			}
			if Plain(test.text) != (test.line == test.text) {
				t.Errorf("Plain(%q) is %v", test.text, Plain(test.text))
			}
		})
	}
}
