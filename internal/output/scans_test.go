package output

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestWhatScannersFindIsARuleOfItsOwn(t *testing.T) {
	r := example()
	r.Findings = r.Findings[:1]
	r.Findings[0].Rule = "scan/vulnerability/CVE-2026-1001"
	text := strings.ReplaceAll(write(t, "sarif", r), `": `, `":`)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := sarifSchemaOf(t).Validate(value); err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`"id":"scan/vulnerability/CVE-2026-1001"`, `"name":"ScanVulnerabilityCVE20261001"`,
		`"text":"CVE-2026-1001: Images must have no vulnerability that is graver than the profile allows"`, `"text":"Build the image with a version`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
}
