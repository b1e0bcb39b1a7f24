package cli

import (
	"strings"
	"testing"
)

const auditEvent = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/secrets",` +
	`"verb":"list","user":{"username":"dana","groups":["system:authenticated"]},"objectRef":{"resource":"secrets","apiVersion":"v1"},` +
	`"requestReceivedTimestamp":"2026-11-30T12:00:00.000000Z","stageTimestamp":"2026-11-30T12:00:00.000000Z"}` + "\n"

func TestAuditPolicy(t *testing.T) {
	later := strings.ReplaceAll(auditEvent, "T12:", "T13:")
	for sentence, tt := range map[string]struct {
		files     []string
		line      string
		code      int
		out, errs string
	}{
		"a policy": {files: []string{"p.yaml", tags}, line: "audit-policy -f p.yaml",
			out: "# Secrets and tokens, of which no data is recorded\n- level: Metadata\n  resources:\n  - resources:\n    - secrets\n"},
		"which rule": {files: []string{"p.yaml", tags, "e.json", auditEvent}, line: "audit-policy -f p.yaml --explain e.json",
			out: "dana  list  secrets  Metadata  3: Secrets and tokens, of which no data is recorded\n"},
		"how much": {files: []string{"p.yaml", tags, "a.log", auditEvent + later}, line: "audit-policy -f p.yaml --estimate a.log",
			out: "2       Metadata  3: Secrets and tokens, of which no data is recorded\n"},
		"of too little":   {files: []string{"p.yaml", tags, "a.log", auditEvent}, line: "audit-policy -f p.yaml --estimate a.log", code: 1, errs: "error: a.log: the log spans less than a minute"},
		"of no log":       {files: []string{"p.yaml", tags, "a.log", "x"}, line: "audit-policy -f p.yaml --estimate a.log", code: 1, errs: "error: a.log: line 1 is no audit event"},
		"of no event":     {files: []string{"p.yaml", tags, "a.log", ""}, line: "audit-policy -f p.yaml --explain a.log", code: 1, errs: "error: a.log: there is no audit event in it"},
		"a truncated one": {files: []string{"p.yaml", tags, "a.log", auditEvent[:100]}, line: "audit-policy -f p.yaml --explain a.log", code: 1, errs: "error: a.log: line 1 is no audit event: unexpected end of JSON input"},
		"of no file":      {files: []string{"p.yaml", tags}, line: "audit-policy -f p.yaml --explain gone", code: 1, errs: "error: gone: no such file or directory"},
		"no profile":      {files: []string{"w.yaml", web}, line: "audit-policy -f w.yaml", code: 1, errs: "error: there is no SecurityProfile in what -f names"},
		"nothing":         {line: "audit-policy", code: 1, errs: "error: no SecurityProfile is named"},
		"both at once":    {files: []string{"p.yaml", tags}, line: "audit-policy -f p.yaml --explain a --estimate b", code: 1, errs: "none of the others can be"},
	} {
		t.Run(sentence, func(t *testing.T) {
			code, out, errs := with(t, tt.files...).run(tt.line)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.errs) {
				t.Errorf("want %d\n%s\n%s\ngot %d\n%s\n%s", tt.code, tt.out, tt.errs, code, out, errs)
			}
		})
	}
}
