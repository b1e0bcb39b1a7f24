package printable

import (
	"encoding/json"
	"strconv"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "jane", "a\nb", "\x1b]0;x\a", "\u202e", "\u2028", "\xff\xc0", "\U000e0001", `{"a":"\u001b"}`, "a\u009bb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, printed := range []string{Name(text), Line(text)} {
			if !utf8.ValidString(printed) {
				t.Fatalf("%q is no UTF-8", printed)
			}
			for _, r := range printed {
				if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%q holds %U", printed, r)
				}
			}
			if Name(printed) != printed || Line(printed) != printed {
				t.Fatalf("%q is not plain", printed)
			}
		}
		if name := Name(text); name != text {
			if unquoted, err := strconv.Unquote(name); err != nil || unquoted != text {
				t.Fatalf("%q stands for %q, which it is not (%v)", name, unquoted, err)
			}
		}
		holdsJSON(t, text)
	})
}

// holdsJSON checks that JSON stays JSON of the same value.
func holdsJSON(t *testing.T, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		return
	}
	data, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal([]byte(Line(string(data))), &back); err != nil || back != text {
		t.Fatalf("%s became %q (%v)", data, back, err)
	}
}
