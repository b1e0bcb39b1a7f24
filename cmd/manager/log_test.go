package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

func TestALogSteersNoTerminal(t *testing.T) {
	hostile := "jane\x1b[2J\r\n\u202e\u2028\u009b\x7f"
	for _, format := range []string{"json", "text"} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			options, err := newLogger(format, "debug", &out)
			if err != nil {
				t.Fatal(err)
			}
			log := zap.New(options...)
			log.Info("Said", "name", hostile, "names", []string{hostile}, "of", map[string]string{"a": hostile})
			log.WithValues("name", hostile).WithName("named").Error(errors.New(hostile), "Failed")
			if lines := strings.Count(out.String(), "\n"); lines != 2 {
				t.Errorf("two entries are %d lines: %q", lines, out.String())
			}
			for _, r := range out.String() {
				if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%U is in %q", r, out.String())
				}
			}
			if format != "json" {
				return
			}
			for line := range strings.Lines(out.String()) {
				var entry map[string]any
				if err := json.Unmarshal([]byte(line), &entry); err != nil || entry["name"] != hostile {
					t.Errorf("%q is no entry any more: %v (%v)", line, entry, err)
				}
			}
		})
	}
}
