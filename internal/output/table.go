package output

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const (
	red, yellow, faint, plain = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
)

// Table writes what people read, a file after the other, in colour if it is for a terminal. Results
// of one verdict of the API server stand together.
func Table(colour bool) Format {
	return func(w io.Writer, r *Report) error {
		t := &table{Writer: bufio.NewWriter(w), colour: colour}
		for i, same := range verdicts(r.Findings) {
			first := same[0]
			if i == 0 || first.File != t.file {
				if i > 0 {
					fmt.Fprintln(t)
				}
				t.file = first.File
				fmt.Fprintln(t, printable.Line(t.file))
			}
			if len(same) == 1 {
				t.finding(first)
			} else {
				t.verdict(same)
			}
		}
		if len(r.Findings) > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintln(t, r.Summary())
		return t.Flush()
	}
}

// table is a table that is being written.
type table struct {
	*bufio.Writer
	colour bool
	file   string
}

func (t *table) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return code + text + plain
}

// line writes the first line of a finding, or of a verdict.
func (t *table) line(f *Finding, words, rule string) {
	code := map[check.Action]string{check.Deny: red, check.Warn: yellow, check.Audit: faint}[f.Action]
	action := t.paint(code, fmt.Sprintf("%-5s", f.Action))
	fmt.Fprintf(t, "  %5d:%-3d %s %s%s\n", f.Line, f.Column, action, printable.Line(words), rule)
}

func (t *table) finding(f *Finding) {
	t.line(f, f.text(), "  "+t.paint(faint, f.Rule))
	t.whatToDo("", f)
}

// whatToDo writes what to do about a finding, or why it does not count.
func (t *table) whatToDo(indentation string, f *Finding) {
	words := printable.Line(f.remedy())
	if f.Suppressed != "" {
		words = "does not count: " + printable.Line(f.Suppressed)
	}
	if words != "" {
		fmt.Fprintf(t, "            %s%s\n", indentation, t.paint(faint, words))
	}
}

// verdict writes the findings of one verdict below each other. Those of several containers that are
// said in the same words are one, with all their places.
func (t *table) verdict(findings []*Finding) {
	first := findings[0]
	t.line(first, first.Object.String()+": "+first.told(first.Verdict)+":", "")
	for i, f := range findings {
		alike := func(other *Finding) bool {
			return other.Rule == f.Rule && other.Message == f.Message && other.Suppressed == f.Suppressed
		}
		if slices.ContainsFunc(findings[:i], alike) {
			continue
		}
		var places []string
		for _, other := range findings[i:] {
			if place := fmt.Sprintf("%d:%d", other.Line, other.Column); alike(other) && !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
		words := printable.Line(strings.TrimPrefix(f.Message, f.Verdict+": "))
		fmt.Fprintf(t, "            %-6s %s  %s\n", strings.Join(places, ", "), words, t.paint(faint, f.Rule))
		t.whatToDo("       ", f)
	}
}

// verdicts are the findings in their order, those of one verdict together at the place of the first.
func verdicts(findings []Finding) [][]*Finding {
	type verdict struct {
		file   string
		object check.Reference
		action check.Action
		ofPods bool
		words  string
	}
	var all [][]*Finding
	at := map[verdict]int{}
	for i := range findings {
		f := &findings[i]
		of := verdict{f.File, f.Object, f.Action, f.OfPods, f.Verdict}
		if n, known := at[of]; known && f.Verdict != "" {
			all[n] = append(all[n], f)
			continue
		}
		at[of] = len(all)
		all = append(all, []*Finding{f})
	}
	return all
}

// Summary is a report in one line.
func (r *Report) Summary() string {
	s := summaryOf(r)
	said := fmt.Sprintf("checked %d objects: %d findings deny, %d warn", r.Evaluated, s.Deny, s.Warn)
	for _, more := range []struct {
		n    int
		what string
	}{{s.Audit, "audit"}, {s.Suppressed, "do not count"}, {r.Ungoverned, "objects are governed by no profile"}} {
		if more.n > 0 {
			said += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	said += counted(r.Unruled, "of kinds that no rule is about") + counted(r.Skipped, "of unknown kinds skipped")
	if len(r.Problems) > 0 {
		said += fmt.Sprintf("; %d could not be read or evaluated", len(r.Problems))
	}
	return printable.Line(said)
}

// counted are objects that are left out, with their kinds.
func counted(kinds map[string]int, what string) string {
	n := 0
	for _, of := range kinds {
		n += of
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d %s (%s)", n, what, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
}

// Groups writes how many findings there are for each section of a framework.
func Groups(w io.Writer, groups map[string][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "SECTION\tFINDINGS\tRULES")
	for _, section := range slices.Sorted(maps.Keys(groups)) {
		rules := slices.Compact(slices.Sorted(slices.Values(groups[section])))
		fmt.Fprintf(t, "%s\t%d\t%s\n", section, len(groups[section]), strings.Join(rules, ", "))
	}
	return t.Flush()
}
