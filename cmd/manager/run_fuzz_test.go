package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulwark-dev/bulwark/internal/selection"
)

// FuzzParse is about the flags whose values are read further than package flag reads them.
func FuzzParse(f *testing.F) {
	f.Add("", "json", "info", "16", "")
	f.Add("a,b-*, c ,,d", "text", "debug", "1", "")
	f.Add("[", "yaml", "loud", "0", "extra")
	f.Add("\x00", "", "", "0x10", "--help")
	f.Add("é\u00a0ü", "json", "ERROR", "-1", "--unheard-of")
	f.Add("a", "text", "panic", "99999999999999999999", "-")
	f.Fuzz(func(t *testing.T, protected, format, level, concurrency, more string) {
		args := []string{
			"--protected-namespaces=" + protected,
			"--log-format=" + format,
			"--log-level=" + level,
			"--concurrency=" + concurrency,
		}
		if more != "" {
			args = append([]string{more}, args...) // What comes later is what counts.
		}
		var stderr bytes.Buffer
		o, err := parse(args, &stderr)
		if err != nil {
			return
		}
		if o.Concurrency < 1 {
			t.Errorf("accepted: concurrency %d", o.Concurrency)
		}
		if joined := strings.Join(
			o.ProtectedNamespaces,
			"",
		); joined != strings.NewReplacer(",", "", " ", "").
			Replace(protected) {
			t.Errorf("of %q were protected %q", protected, o.ProtectedNamespaces)
		}
		if slices.Contains(o.ProtectedNamespaces, "") {
			t.Errorf("%q protects a namespace without a name", protected)
		}
		checkProtects(t, o.ProtectedNamespaces)
		o.Logger.Error(nil, "something", "value", protected)
		if logged := json.Valid(stderr.Bytes()); stderr.Len() == 0 || logged != (format == "json") {
			t.Errorf("with format %q and level %q was logged: %q", format, level, &stderr)
		}
	})
}

// checkProtects checks that whatever is given is protected beside Kubernetes' own.
func checkProtects(t *testing.T, names []string) {
	t.Helper()
	protected, err := selection.Protected(names...)
	if err != nil {
		return // The operator does not start.
	}
	want := append([]string{"kube-system", "kube-public", "kube-node-lease"}, names...)
	if diff := cmp.Diff(want, protected); diff != "" {
		t.Errorf("protected (-want +got):\n%s", diff)
	}
}
