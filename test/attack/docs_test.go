package attack

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

var update = flag.Bool("update", false, "write the table of docs/security.md instead of comparing it")

const (
	heading  = "## What tenants tried\n"
	tableTop = "| attack | as | outcome |\n| --- | --- | --- |\n"
)

// TestDocumentationListsTheAttacks holds the table of docs/security.md against the rows of this
// suite, whose outcomes it asserts.
func TestDocumentationListsTheAttacks(t *testing.T) {
	path := filepath.Join(controlplane.Root(), "docs", "security.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(string(data), heading)
	if !found {
		t.Fatalf("no section %q", heading)
	}
	prose, after, found := strings.Cut(after, tableTop)
	if !found || strings.Contains(prose, "\n## ") {
		t.Fatal("the section has no table")
	}
	got, after, _ := strings.Cut(after, "\n\n")
	if *update {
		if err := os.WriteFile(path, []byte(before+heading+prose+tableTop+table()+"\n\n"+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(table(), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("run go test ./test/attack -run Documentation -update (-suite +documentation):\n%s", diff)
	}
}

// table are the rows of all attacks.
func table() string {
	var rows []string
	add := func(a attack, condition string) {
		row := fmt.Sprintf("| %s%s | %s | %s |", a.name, condition, a.as.title, a.outcome)
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	for _, a := range attacks() {
		add(a, "")
	}
	for _, a := range attacksOnADownOperator() {
		add(a, " (while the operator is down)")
	}
	return strings.Join(rows, "\n")
}

func TestEachAttackIsOneRow(t *testing.T) {
	known := map[string]bool{}
	for _, a := range slices.Concat(attacks(), attacksOnADownOperator()) {
		row := a.name + "|" + a.as.title
		if known[row] {
			t.Errorf("twice: %s", row)
		}
		known[row] = true
		if a.outcome == harmless && a.then == nil && !strings.Contains(a.name, "times over") {
			t.Errorf("nothing is checked of what is harmless: %s", row)
		}
	}
}
