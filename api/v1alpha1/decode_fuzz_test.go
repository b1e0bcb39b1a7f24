package v1alpha1

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"
)

// decodingTime is far more than decoding takes, and far less than what computing an endless
// quantity does.
const decodingTime = 5 * time.Second

func FuzzSpecUnmarshalJSON(f *testing.F) {
	for _, spec := range append(sampleSpecs(f), oddSpecs...) {
		f.Add([]byte(spec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec := decode(t, data)
		if object := canonical(data); object != nil {
			spec = decode(t, object)
			if spec.Undecodable() != "" {
				checkRemembered(t, object, spec)
			}
		}
		if spec.Undecodable() == "" {
			checkRoundTrip(t, spec)
		}
	})
}

// oddSpecs are specs that are not to be decoded, or only just.
var oddSpecs = []string{
	`null`,
	`[]`,
	`{"deletionPolicy":"Retain"`,
	`{"deletionPolicy":7,"limits":7}`,
	`{"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"1e0.5"}}]}`,
	`{"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"1e999999999"}}]}`,
	`{"limits":[{"type":"Container","max":{"cpu":1e999999999}}]}`,
	`{"limits":[{"type":"Container","max":{"cpu":" 1e999999999"}}]}`,
	`{"limits":[{"type":"Container","max":{"cpu":"\u00851e-999999999"}}]}`,
	`{"limits":[{"type":"Container","max":{"cpu":"1e999999999"}}],"Limits":[]}`,
	`{"limits":[{"type":"Container","max":{"cpu":"1e999999999"}}],"limits":[]}`,
	`{"quotas":[{"name":"a","spec":{"hard":{"pods":"1e999999999"}}},{"name":"b","Spec":{}}]}`,
	`{"quotas":[7,{"name":"a","spec":{"hard":{"pods":"-1E+999999999"}}}]}`,
	`{"quotas":[{"name":"a","spec":{"hard":{"pods":"1e99","count/x.y":".5","cpu":"1Ei"}}}]}`,
	`{"limits":[{"type":"Pod","min":{"cpu":"` + strings.Repeat("9", 4_000) + `"}}]}`,
	`{"limits":[{"type":"Pod","min":{"cpu":"` + strings.Repeat(
		"9",
		60,
	) + `e-99"}}],"quotas":[{"name":"a","spec":{"hard":{"x/7e1234":"1"}}}]}`,
	`{"limits":[{"type":"Pod","min":{"cpu":"0.` + strings.Repeat("0", 4_000) + `1"}}]}`,
	`{"network":{"policies":[{"name":"a","spec":{"ingress":[{"ports":[{"port":99999999999}]}]}}]}}`,
	`{"namespaceSelector":{"matchLabels":{"commit":"7e1234"}},"priority":1,"Priority":2}`,
}

func sampleSpecs(f *testing.F) []string {
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	var specs []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var sample struct {
			Spec json.RawMessage `json:"spec"`
		}
		if err := yaml.Unmarshal(data, &sample); err != nil {
			f.Fatal(err)
		}
		if sample.Spec != nil { // A kustomization has none.
			specs = append(specs, string(sample.Spec))
		}
	}
	return specs
}

// decode decodes a spec, which is neither an error nor slow, whatever the data.
func decode(t *testing.T, data []byte) *SecurityProfileSpec {
	t.Helper()
	before, start := bytes.Clone(data), time.Now()
	spec := &SecurityProfileSpec{
		Priority:          7,
		NamespaceSelector: selectorOf("of another spec"),
		ExcludeNamespaces: []string{"left-over"},
	}
	if err := spec.UnmarshalJSON(data); err != nil {
		t.Fatalf("an error: %v", err)
	}
	if took := time.Since(start); took > decodingTime {
		t.Fatalf("decoding took %s", took)
	}
	if !bytes.Equal(before, data) {
		t.Fatalf("the data was changed to %q", data)
	}
	return spec
}

// canonical is a JSON object without what no API server stores, such as a key that is given twice;
// nil if it is no object.
func canonical(data []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil
	}
	out, err := json.Marshal(object)
	if err != nil {
		return nil
	}
	return out
}

// checkRemembered checks that of a spec that could not be decoded nothing is known but why, and its
// deletionPolicy.
func checkRemembered(t *testing.T, object []byte, spec *SecurityProfileSpec) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(object, &fields); err != nil {
		return // A number beyond float64, say, of which the oracle knows no more.
	}
	want := &SecurityProfileSpec{NamespaceSelector: selectorOf(spec.Undecodable())}
	if policy, given := fields["deletionPolicy"]; given && policy != nil {
		want.DeletionPolicy = DeletionPolicyRetain // Unless it can be read.
		if s, ok := policy.(string); ok {
			want.DeletionPolicy = DeletionPolicy(s)
		}
	}
	if diff := cmp.Diff(want, spec, cmp.AllowUnexported(SecurityProfileSpec{})); diff != "" {
		t.Errorf("a spec that could not be decoded (-want +got):\n%s", diff)
	}
}

// checkRoundTrip checks that a spec means the same when it is written and read again.
func checkRoundTrip(t *testing.T, spec *SecurityProfileSpec) {
	t.Helper()
	written, err := json.Marshal(spec)
	if err != nil {
		t.Fatalf("a decoded spec cannot be written: %v", err)
	}
	again := decode(t, written)
	if diff := cmp.Diff(spec, again, cmp.AllowUnexported(SecurityProfileSpec{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the spec written and read again (-first +second):\n%s", diff)
	}
	rewritten, err := json.Marshal(again)
	if err != nil || !bytes.Equal(written, rewritten) {
		t.Errorf("written again: %v\n%s\n%s", err, written, rewritten)
	}
}
