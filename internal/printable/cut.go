package printable

import "strings"

// Cut is a text as a report can hold it: at most so many characters, and an ellipsis where it goes
// on, without bytes that JSON has no form for. A text that was cut before stays as it is.
func Cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// maxMessageRunes is how long a message of a report is at most.
const maxMessageRunes = 1024

// Message is a message as a report can hold it: one line, and cut.
func Message(message string) string { return Cut(Line(message), maxMessageRunes) }
