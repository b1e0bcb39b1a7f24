package main

import (
	"io"
	"strings"

	"github.com/bulwark-dev/bulwark/internal/printable"
)

// printableLines writes the lines of a log so that nothing in them steers a terminal: names and
// messages of others are in them. JSON stays JSON. Line breaks and tabs are the encoder's own,
// which escapes those of others.
type printableLines struct{ to io.Writer }

func (p printableLines) Write(entry []byte) (int, error) {
	lines := strings.Split(string(entry), "\n")
	for i, line := range lines {
		fields := strings.Split(line, "\t")
		for j, field := range fields {
			fields[j] = printable.Line(field)
		}
		lines[i] = strings.Join(fields, "\t")
	}
	if _, err := io.WriteString(p.to, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(entry), nil
}
