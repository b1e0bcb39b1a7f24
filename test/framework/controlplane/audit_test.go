package controlplane

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheAuditLogIsReadWhereTheAPIServerWasKilledInTheMiddleOfARecord(t *testing.T) {
	record := func(name string) string {
		return recordStart + `v1","verb":"update","user":{"username":"somebody"},"objectRef":{"resource":"pods","name":"` + name + `"}}` + "\n"
	}
	cut := record("lost")[:80]
	for name, test := range map[string]struct {
		log  string
		want []string
	}{
		"whole records":                     {record("a") + record("b"), []string{"a", "b"}},
		"one that was cut, and the next":    {record("a") + cut + record("b"), []string{"a", "b"}},
		"two that were cut, and the next":   {cut + cut + record("b"), []string{"b"}},
		"one whose line had not ended":      {strings.TrimSpace(record("a")) + record("b"), []string{"a", "b"}},
		"one that is still being written":   {record("a") + cut, []string{"a"}},
		"one that speaks of another's head": {record(`x`+`\"{\"kind\":\"Event\"`) + record("b"), []string{`x"{"kind":"Event"`, "b"}},
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, []byte(test.log), 0o600); err != nil {
			t.Fatal(err)
		}
		writes, err := (&AuditTrail{log: path}).Next()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, w := range writes {
			got = append(got, w.Name)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	broken := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(broken, []byte("not a record\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&AuditTrail{log: broken}).Next(); err == nil {
		t.Error("what is no record is not refused")
	}
}
