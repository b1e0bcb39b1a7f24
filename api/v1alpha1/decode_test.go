package v1alpha1

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestASpecThatCannotBeDecodedIsRememberedAndNoError(t *testing.T) {
	for sentence, test := range map[string]struct{ spec, want string }{
		"a sound spec":                                 {`{"priority":7,"limits":[{"type":"Container","max":{"cpu":"1e3"}}]}`, ""},
		"a fractional exponent":                        {`{"priority":7,"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"1e0.5"}}]}`, "quantities must match"},
		"an exponent without end":                      {`{"priority":7,"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"1e999999999999"}}]}`, "beyond all use"},
		"an escape, which is no digit":                 {`{"priority":7,"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"\u0031e999999999"}}]}`, "quantities must match"},
		"such a number that is no string":              {`{"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":1e999999999}}]}`, "beyond all use"},
		"such an exponent after a space":               {`{"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":" 1e999999999"}}]}`, "beyond all use"},
		"one that a later field seems to undo":         {`{"deletionPolicy":"Retain","limits":[{"type":"Container","max":{"cpu":"1e999999999"}}],"Limits":[]}`, "beyond all use"},
		"more digits than can be written again":        {`{"deletionPolicy":"Retain","limits":[{"type":"Pod","max":{"cpu":"` + strings.Repeat("9", 500_000) + `e-99"}}]}`, "beyond all use"},
		"as many digits as anybody needs":              {`{"priority":7,"limits":[{"type":"Pod","max":{"cpu":"` + strings.Repeat("9", 63) + `e-20"}}]}`, ""},
		"a name that looks like one":                   {`{"priority":7,"quotas":[{"name":"a","spec":{"hard":{"example.com/1e1000":"1","requests.example.com/7e1234":"2"}}}]}`, ""},
		"a port beyond 32 bits":                        {`{"priority":7,"deletionPolicy":"Retain","network":{"policies":[{"name":"a","spec":{"ingress":[{"ports":[{"port":99999999999}]}]}}]}}`, "int32"},
		"a label that looks like one":                  {`{"priority":7,"namespaceSelector":{"matchLabels":{"commit":"7e1234"}}}`, ""},
		"an endless quota":                             {`{"deletionPolicy":"Retain","quotas":[{"name":"a","spec":{"hard":{"pods":"1e999999999"}}}]}`, "beyond all use"},
		"a digest that is required in the former form": {`{"deletionPolicy":"Retain","images":{"allowedRegistries":["a.example"],"requireDigest":true}}`, "digest: Require"},
		"a digest that is required in both forms":      {`{"priority":7,"images":{"requireDigest":true,"digest":"Require"}}`, ""},
		"a digest that was not required":               {`{"priority":7,"images":{"denyTags":["latest"],"requireDigest":false}}`, ""},
		"a DNS port that was UDP when nobody said so":  {`{"deletionPolicy":"Retain","network":{"allowDNS":{"ports":[{"port":53}]}}}`, "was UDP"},
		"a DNS port that is TCP beside one of UDP":     {`{"priority":7,"network":{"allowDNS":{"ports":[{"port":53},{"port":53,"protocol":"UDP"}]}}}`, ""},
		"a rule that was a boolean":                    {`{"deletionPolicy":"Retain","workloads":{"runAsNonRoot":true}}`, "runAsNonRoot"},
		"a field name in another case":                 {`{"priority":7,"Priority":8}`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			var spec SecurityProfileSpec
			if err := json.Unmarshal([]byte(test.spec), &spec); err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if spec.Undecodable() != "" || spec.Priority != 7 {
					t.Errorf("undecodable %q, priority %d; want a decoded spec of priority 7", spec.Undecodable(), spec.Priority)
				}
				return
			}
			if spec.DeletionPolicy != DeletionPolicyRetain {
				t.Errorf("deletionPolicy %q was not kept", spec.DeletionPolicy)
			}
			if !strings.Contains(spec.Undecodable(), test.want) || spec.Priority != 0 {
				t.Errorf("undecodable %q, priority %d; want %q and nothing else", spec.Undecodable(), spec.Priority, test.want)
			}
		})
	}
}
