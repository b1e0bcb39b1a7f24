package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// row is one thing that was expected, and what was seen.
type row struct {
	what, expected, seen string
	held                 bool
}

// table is all that was expected and seen.
type table struct{ rows []row }

// add tells of a row at once, and keeps it.
func (t *table) add(what, expected, seen string, held bool) {
	t.rows = append(t.rows, row{what, expected, seen, held})
	verdict := "ok    "
	if !held {
		verdict = "FAILED"
	}
	fmt.Printf("%s %s %s\n         expected: %s\n         seen:     %s\n",
		time.Now().Format("15:04:05"), verdict, what, expected, seen)
}

// failure names what was not as expected.
func (t *table) failure() error {
	var failed []string
	for _, r := range t.rows {
		if !r.held {
			failed = append(failed, r.what)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d rows are not as expected: %s", len(failed), len(t.rows), strings.Join(failed, "; "))
}

const (
	begins = "<!-- make argocd writes this table -->"
	ends   = "<!-- until here -->"
)

// write writes the table between the two marks of a document, or prints it if none is given.
func (t *table) write(heading, document string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n| | what | expected | seen |\n| --- | --- | --- | --- |\n", begins, heading)
	for i, r := range t.rows {
		verdict := ""
		if !r.held {
			verdict = " **failed**"
		}
		fmt.Fprintf(&b, "| %d%s | %s | %s | %s |\n", i+1, verdict, cell(r.what), cell(r.expected), cell(r.seen))
	}
	b.WriteString(ends)
	if document == "" {
		fmt.Println(b.String())
		return nil
	}
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begins)
	_, after, closed := strings.Cut(rest, ends)
	if !found || !closed {
		return fmt.Errorf("%s has no place for the table: %q and %q", document, begins, ends)
	}
	return os.WriteFile(document, []byte(before+b.String()+after), 0o600)
}

func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
}
