package profiles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func manifest(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	converted, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(converted, &o.Object); err != nil { // With whole numbers as such, as the API server has them.
		t.Fatal(err)
	}
	return o
}

const head = "apiVersion: security.bulwark.dev/v1alpha1\nkind: SecurityProfile\nmetadata: {name: p}\n"

func TestRead(t *testing.T) {
	for sentence, tt := range map[string]struct {
		text string
		want []string
	}{
		"a valid one": {head + "spec: {namespaceSelector: {}, podSecurity: {enforce: baseline}}\n", nil},
		"a wrong value": {head + "spec: {namespaceSelector: {}, podSecurity: {enforce: strict}}\n", []string{
			`[spec podSecurity enforce] SecurityProfile.security.bulwark.dev "p" is invalid: spec.podSecurity.enforce: Unsupported value: "strict": supported values: "privileged", "baseline", "restricted"`}},
		"a value of another type, which is said once": {head + "spec: {namespaceSelector: {}, podSecurity: {enforce: 5}}\n", []string{
			`[spec podSecurity enforce] SecurityProfile.security.bulwark.dev "p" is invalid: spec.podSecurity.enforce: Invalid value: "integer": spec.podSecurity.enforce in body must be of type string: "integer"`}},
		"a rule of CEL": {head + "spec: {namespaceSelector: {}}\n", []string{
			`[spec] SecurityProfile.security.bulwark.dev "p" is invalid: spec: Invalid value: a profile must declare at least one of podSecurity, network, limits, quotas, rbac, workloads and images`}},
		"an unknown field": {head + "spec: {namespaceSelector: {}, podSecurity: {enforce: baseline, enforces: x}}\n", []string{
			`[spec podSecurity enforces] SecurityProfile in version "v1alpha1" cannot be handled as a SecurityProfile: strict decoding error: unknown field "spec.podSecurity.enforces"`}},
		"another version": {strings.Replace(head, "v1alpha1", "v9", 1), []string{
			`[apiVersion] no matches for kind "SecurityProfile" in version "security.bulwark.dev/v9": this version of the plugin knows security.bulwark.dev/v1alpha1`}},
		"no name": {strings.Replace(head, "name: p", "name: A_b", 1) + "spec: {namespaceSelector: {}, podSecurity: {enforce: baseline}}\n", []string{
			`[metadata name] SecurityProfile.security.bulwark.dev "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of ` +
				`lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is ` +
				`'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`}},
		"a name that stands twice": {head + "spec: {namespaceSelector: {}, excludeNamespaces: [a, a]}\n", []string{
			`[spec excludeNamespaces 1] SecurityProfile.security.bulwark.dev "p" is invalid: spec.excludeNamespaces[1]: Duplicate value: "a"`,
			`[spec] SecurityProfile.security.bulwark.dev "p" is invalid: spec: Invalid value: a profile must declare at least one of podSecurity, network, limits, quotas, rbac, workloads and images`}},
	} {
		t.Run(sentence, func(t *testing.T) {
			profile, refusals, err := Read(context.Background(), manifest(t, tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range refusals {
				got = append(got, fmt.Sprintf("%v %s", r.Path, r.Words))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || (profile == nil) != (tt.want != nil) {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSamplesAreValid(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o := manifest(t, string(data))
		if !Is(o) {
			continue
		}
		read++
		if _, refusals, err := Read(context.Background(), o); err != nil || len(refusals) > 0 {
			t.Errorf("%s: %v %v", file, err, refusals)
		}
	}
	if read < 4 {
		t.Errorf("only %d were read", read)
	}
}
