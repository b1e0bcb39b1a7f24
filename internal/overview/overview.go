// Package overview lays out what the plugin shows of a cluster: profiles and their namespaces, and
// one namespace with the reasons. Plain values go in, and text comes out.
//
// It is pure: it may import the API, selection and printable. It must never read a cluster or a
// clock, nor write a text of others that was not made plain.
package overview

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// width is how many columns a screen has, where names do not need more.
const width = 80

// leastText is the least number of columns for a text at the end of a row.
const leastText = 28

// View is how and when a screen is looked at.
type View struct {
	Now    time.Time
	Colour bool
}

const red, yellow, green, bold, plain = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1m", "\x1b[0m"

// colours are those of single words of a table.
var colours = map[string]string{
	"Critical": red, "High": red, "Medium": yellow, "Failed": red, "Conflict": red, "Contested": red,
	"Drifted": yellow, "Present": yellow, "Blocked": yellow, "Uncounted": yellow, "Weakened": yellow,
	"Compliant": green, "Corrected": green, "yes": green, "no": yellow,
}

// screen is a screen that is being written.
type screen struct {
	bytes.Buffer
	view View
}

func (s *screen) paint(code, text string) string {
	if !s.view.Colour || code == "" || text == "" {
		return text
	}
	return code + text + plain
}

// title begins a part of the screen.
func (s *screen) title(text string) {
	if s.Len() > 0 {
		fmt.Fprintln(s)
	}
	fmt.Fprintln(s, s.paint(bold, printable.Line(text)))
}

// text writes a paragraph with an indentation.
func (s *screen) text(indent int, text string) {
	for _, line := range wrapped(printable.Line(text), width-indent) {
		fmt.Fprintf(s, "%s%s\n", strings.Repeat(" ", indent), line)
	}
}

// table writes rows below a head, in aligned columns. The last column is wrapped.
func (s *screen) table(head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i := range row {
			row[i] = printable.Line(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	last, before := len(head)-1, 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	s.row(head, widths, before)
	for _, row := range rows {
		s.row(row, widths, before)
	}
}

func (s *screen) row(row []string, widths []int, before int) {
	last := len(row) - 1
	var line strings.Builder
	for i, cell := range row[:last] {
		line.WriteString(s.paint(colours[cell], cell))
		line.WriteString(strings.Repeat(" ", widths[i]+2-utf8.RuneCountInString(cell)))
	}
	for i, text := range wrapped(row[last], max(width-before, leastText)) {
		if i > 0 {
			line.WriteString("\n" + strings.Repeat(" ", before))
		}
		line.WriteString(s.paint(colours[text], text))
	}
	fmt.Fprintln(s, strings.TrimRight(line.String(), " "))
}

// wrapped are the lines of a text; a word that is too long has one of its own.
func wrapped(text string, columns int) []string {
	var lines []string
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > columns {
			lines, line, length = append(lines, line), "", 0
		}
		if length > 0 {
			line, length = line+" ", length+1
		}
		line, length = line+word, length+n
	}
	return append(lines, line)
}

// ago is how long something is past, as kubectl says it.
func (s *screen) ago(t time.Time) string { return duration.HumanDuration(max(s.view.Now.Sub(t), 0)) }

// drift writes the newest of some drifts; with the fields that differ, if they are asked for.
func (s *screen) drift(entries []v1alpha1.DriftEntry, total int64, most int, fields bool) {
	if len(entries) == 0 {
		return
	}
	s.title(fmt.Sprintf("NEWEST DRIFT (%d of %d)", min(len(entries), most), max(total, int64(len(entries)))))
	var rows [][]string
	for _, e := range entries[:min(len(entries), most)] {
		where := object(e.Object)
		if e.Namespace != "" {
			where = e.Namespace + " " + where
		}
		by := e.Manager
		if by == "" {
			by = "unknown"
		}
		rows = append(rows, []string{s.ago(e.ObservedAt.Time), string(e.Change), string(e.State), by, where})
	}
	s.table([]string{"AGE", "CHANGE", "STATE", "BY", "OBJECT"}, rows)
	if !fields {
		return
	}
	for i := range rows {
		for _, f := range entries[i].Fields {
			s.text(2, fmt.Sprintf("%s: %s was %s, not %s", object(entries[i].Object), f.Path, orUnset(f.Got), orUnset(f.Want)))
		}
	}
}

func orUnset(value string) string {
	if value == "" {
		return "unset"
	}
	return value
}

func object(o v1alpha1.ObjectReference) string { return o.Kind + "/" + o.Name }
