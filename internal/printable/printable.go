// Package printable makes texts of others fit to be read by people: names, values and messages of
// which Kubernetes bounds neither the characters nor the lines. It is pure and imports the standard
// library only. It must never change what a text means: what it leaves out, it says.
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain reports whether a text is one line of letters, marks, digits, punctuation, symbols and
// spaces. A character that steers a terminal, breaks a line, turns the direction of writing or
// cannot be seen is not plain, nor are bytes that are no UTF-8.
func Plain(s string) bool {
	for i, r := range s {
		if !plain(r) || r == utf8.RuneError && isInvalid(s[i:]) {
			return false
		}
	}
	return true
}

func plain(r rune) bool { return unicode.IsPrint(r) }

// isInvalid reports whether a text begins with a byte that is no UTF-8, and not with the character
// that stands for one.
func isInvalid(s string) bool {
	_, size := utf8.DecodeRuneInString(s)
	return size == 1
}

// Name is a name as a sentence can hold it: as it is if it is plain, otherwise in quotes and with
// escapes, as in Go.
func Name(s string) string {
	if Plain(s) {
		return s
	}
	return strconv.Quote(s)
}

// Names are names as a sentence can hold them.
func Names(names []string) []string {
	var printable []string
	for _, name := range names {
		printable = append(printable, Name(name))
	}
	return printable
}

// Line is a text as one line: what is not plain of it becomes an escape where it stands. JSON stays
// JSON of the same value, as long as it was valid. A line of a line is the same line.
func Line(s string) string {
	if Plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + hex(uint32(s[i]), 2))
		case plain(r):
			b.WriteString(s[i : i+size])
		default:
			writeEscape(&b, r)
		}
		i += size
	}
	return b.String()
}

// writeEscape writes a rune as JSON has it in a string.
func writeEscape(b *strings.Builder, r rune) {
	switch r {
	case '\n':
		b.WriteString(`\n`)
		return
	case '\r':
		b.WriteString(`\r`)
		return
	case '\t':
		b.WriteString(`\t`)
		return
	}
	for _, unit := range utf16.AppendRune(nil, r) {
		b.WriteString(`\u` + hex(uint32(unit), 4))
	}
}

// hex is a number in so many hexadecimal digits.
func hex(n uint32, digits int) string {
	const digit = "0123456789abcdef"
	text := make([]byte, digits)
	for i := digits - 1; i >= 0; i-- {
		text[i], n = digit[n%16], n/16
	}
	return string(text)
}
