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

// Table writes what people read, a file after the other, in colour if it is for a terminal.
func Table(colour bool) Format {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return code + text + plain
	}
	return func(w io.Writer, r *Report) error {
		b := bufio.NewWriter(w)
		file := "\x00"
		for i := range r.Findings {
			f := &r.Findings[i]
			if f.File != file {
				if file != "\x00" {
					fmt.Fprintln(b)
				}
				file = f.File
				fmt.Fprintln(b, printable.Line(file))
			}
			code := map[check.Action]string{check.Deny: red, check.Warn: yellow, check.Audit: faint}[f.Action]
			action := fmt.Sprintf("%-5s", f.Action)
			fmt.Fprintf(
				b,
				"  %5d:%-3d %s %s  %s\n",
				f.Line,
				f.Column,
				paint(code, action),
				printable.Line(f.text()),
				paint(faint, f.Rule),
			)
			switch {
			case f.Suppressed != "":
				fmt.Fprintf(b, "            %s\n", paint(faint, "does not count: "+printable.Line(f.Suppressed)))
			case f.remedy() != "":
				fmt.Fprintf(b, "            %s\n", paint(faint, printable.Line(f.remedy())))
			}
		}
		if len(r.Findings) > 0 {
			fmt.Fprintln(b)
		}
		fmt.Fprintln(b, r.Summary())
		return b.Flush()
	}
}

// Summary is a report in one line.
func (r *Report) Summary() string {
	var denied, warned, audited, suppressed int
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case f.Suppressed != "":
			suppressed++
		case f.Action == check.Deny:
			denied++
		case f.Action == check.Warn:
			warned++
		default:
			audited++
		}
	}
	said := fmt.Sprintf("checked %d objects: %d findings deny, %d warn", r.Evaluated, denied, warned)
	for _, more := range []struct {
		n    int
		what string
	}{{audited, "audit"}, {suppressed, "do not count"}, {r.Ungoverned, "objects are governed by no profile"}} {
		if more.n > 0 {
			said += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	skipped := 0
	for _, n := range r.Skipped {
		skipped += n
	}
	if skipped > 0 {
		said += fmt.Sprintf(
			", %d of unknown kinds skipped (%s)",
			skipped,
			strings.Join(slices.Sorted(maps.Keys(r.Skipped)), ", "),
		)
	}
	if len(r.Problems) > 0 {
		said += fmt.Sprintf("; %d could not be read or evaluated", len(r.Problems))
	}
	return printable.Line(said)
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
