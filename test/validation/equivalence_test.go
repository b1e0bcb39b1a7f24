package validation

import (
	"encoding/json"
	"fmt"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// alike is an entry of a table of values of which the profile must be refused if and only if the
// API server refuses what is rendered of it.
type alike struct {
	// in are sections of a spec. %s stands for the value.
	in      string
	refused []string
	// accepted are neighbours of what is refused.
	accepted []string
	// path is the field that the refusal names, and reason what it says; either may be left out
	// where they differ between the values.
	path, reason string
}

// ExpectLikeTheAPI sends each value through the CRD and, rendered, through the API itself.
func ExpectLikeTheAPI(a alike) {
	for _, value := range a.accepted {
		sections := fmt.Sprintf(a.in, value)
		Expect(createProfile(sections)).To(Succeed(), sections)
		Expect(createRendered(sections)).To(Succeed(), sections)
	}
	for _, value := range a.refused {
		sections := fmt.Sprintf(a.in, value)
		Expect(createRendered(sections)).NotTo(Succeed(), "Kubernetes accepts it: %s", sections)
		Expect(createProfile(sections)).To(MatchError(And(ContainSubstring(a.path), ContainSubstring(a.reason))), sections)
	}
}

// ExpectStricterThanTheAPI is for what Kubernetes accepts, and does not do what its author means by
// it.
func ExpectStricterThanTheAPI(a alike) {
	for _, value := range a.accepted {
		sections := fmt.Sprintf(a.in, value)
		Expect(createProfile(sections)).To(Succeed(), sections)
		Expect(createRendered(sections)).To(Succeed(), sections)
	}
	for _, value := range a.refused {
		sections := fmt.Sprintf(a.in, value)
		Expect(createRendered(sections)).To(Succeed(), "Kubernetes refuses it too: %s", sections)
		Expect(createProfile(sections)).To(MatchError(And(ContainSubstring(a.path), ContainSubstring(a.reason))), sections)
	}
}

// createProfile is what the API server says to a profile with these sections.
func createProfile(sections string) error {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	data, err := yaml.YAMLToJSON([]byte(profile("alike", selecting(sections))))
	Expect(err).NotTo(HaveOccurred(), sections)
	Expect(object.UnmarshalJSON(data)).To(Succeed())
	return admin.Create(ctx, object, client.DryRunAll, client.FieldValidation("Strict"))
}

// createRendered is what the API server says to the objects that would be rendered of a profile
// with these sections, if it were stored.
func createRendered(sections string) error {
	p := &v1alpha1.SecurityProfile{}
	data, err := yaml.YAMLToJSON([]byte(profile("alike", selecting(sections))))
	Expect(err).NotTo(HaveOccurred(), sections)
	Expect(json.Unmarshal(data, p)).To(Succeed())
	if why := p.Spec.Undecodable(); why != "" {
		return fmt.Errorf("it cannot even be decoded: %s", why)
	}
	for _, object := range baseline.Render(p, "default") {
		if baseline.BelongsToNamespace(object) {
			continue
		}
		if err := admin.Create(ctx, object.(client.Object), client.DryRunAll); err != nil {
			return fmt.Errorf("creating %s %s: %w", baseline.KindOf(object).Kind, object.GetName(), err)
		}
	}
	return nil
}
