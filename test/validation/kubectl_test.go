package validation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// applyAsIf makes the request that `kubectl apply --server-side --dry-run=server` makes. A process
// of kubectl for each of hundreds of requests would take most of the suite's time.
func applyAsIf(manifest string) error {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	data, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		return err
	}
	if err := object.UnmarshalJSON(data); err != nil {
		return err
	}
	return admin.Patch(ctx, object, client.RawPatch(types.ApplyPatchType, data),
		client.DryRunAll, client.FieldOwner("kubectl"), client.FieldValidation(metav1.FieldValidationStrict))
}

// inWordsOfKubectl is what kubectl prints of an answer of the API server.
func inWordsOfKubectl(answer error) string {
	var status apierrors.APIStatus
	if !errors.As(answer, &status) {
		return answer.Error()
	}
	switch reason := status.Status().Reason; {
	case reason == "":
		return fmt.Sprintf("Error from server: %v\n", answer)
	case !apierrors.IsInvalid(answer):
		return fmt.Sprintf("Error from server (%s): %v\n", reason, answer)
	}
	details := status.Status().Details
	said := fmt.Sprintf("The %s %q is invalid", details.Kind, details.Name)
	var causes []string
	for _, cause := range details.Causes {
		if c := cause.Field + ": " + cause.Message; !slices.Contains(causes, c) {
			causes = append(causes, c)
		}
	}
	switch len(causes) {
	case 0:
		return said + "\n"
	case 1:
		return said + ": " + causes[0] + "\n"
	}
	return said + ": \n* " + strings.Join(causes, "\n* ") + "\n"
}

var _ = DescribeTable(
	"kubectl says in the words of this suite that it is refused:",
	func(manifest string) {
		answer := applyAsIf(manifest)
		Expect(answer).To(HaveOccurred())
		out, err := kubectl(manifest, "apply", "--server-side", "--dry-run=server", "-f", "-")
		Expect(err).To(HaveOccurred())
		// The API server lists several causes in any order.
		Expect(strings.Split(out, "\n")).To(ConsistOf(strings.Split(inWordsOfKubectl(answer), "\n")))
	},
	Entry("a value", profile("example", selecting("enforcement: Sometimes, podSecurity: {warn: baseline}"))),
	Entry(
		"several values",
		profile("example", selecting("enforcement: Sometimes, adoption: Perhaps, podSecurity: {warn: loose}")),
	),
	Entry("a rule on the whole object", profile(strings.Repeat("a", 64), selecting("podSecurity: {warn: baseline}"))),
	Entry("a field that there is not", profile("example", selecting("podSecurity: {warn: baseline, level: baseline}"))),
	Entry("a field of another type", profile("example", selecting("priority: high, podSecurity: {warn: baseline}"))),
	Entry("a required field that is missing", profile("example", "podSecurity: {warn: baseline}")),
	Entry("a report of another name", fmt.Sprintf(posture, "report")),
)

var _ = Describe("kubectl accepts", func() {
	It("what the request of this suite has accepted", func() {
		sound := profile("example", selecting("podSecurity: {warn: baseline}"))
		Expect(applyAsIf(sound)).To(Succeed())
		Expect(ExpectKubectl(sound, "apply", "--server-side", "--dry-run=server", "-f", "-")).
			To(Equal("securityprofile.security.bulwark.dev/example serverside-applied (server dry run)\n"))
	})
})
