package admission

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/selection"
)

// TestAProfileWeighsNoLessThanWhatIsRenderedOfIt holds that package selection takes no expression for
// smaller than it is, in any place that names a profile.
func TestAProfileWeighsNoLessThanWhatIsRenderedOfIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		text := func(name string, longest int) string {
			return rapid.StringMatching(fmt.Sprintf(`[a-z0-9./_A-Z-]{1,%d}`, longest)).Draw(t, name)
		}
		p.Spec.NamespaceSelector.MatchLabels = rapid.MapOfN(rapid.StringMatching(`[a-z0-9./_A-Z-]{1,317}`), rapid.StringMatching(`[a-z0-9._A-Z-]{0,63}`), 0, 8).
			Draw(t, "labels")
		for i := range rapid.IntRange(0, 4).Draw(t, "expressions") {
			e := v1alpha1.LabelRequirement{
				Key: text(fmt.Sprint("key", i), 317),
				Operator: rapid.SampledFrom([]metav1.LabelSelectorOperator{
					metav1.LabelSelectorOpIn,
					metav1.LabelSelectorOpNotIn,
					metav1.LabelSelectorOpExists,
					metav1.LabelSelectorOpDoesNotExist,
				}).Draw(t, "operator"),
			}
			if strings.HasSuffix(string(e.Operator), "In") {
				e.Values = rapid.SliceOfN(rapid.StringMatching(`[a-z0-9._A-Z-]{0,63}`), 1, 64).Draw(t, "values")
			}
			p.Spec.NamespaceSelector.MatchExpressions = append(p.Spec.NamespaceSelector.MatchExpressions, e)
		}
		p.Spec.ExcludeNamespaces = rapid.SliceOfN(rapid.StringMatching(`[-a-z0-9*?]{1,63}`), 0, 32).Draw(t, "globs")
		weight := selection.Weight(p)
		for _, rendered := range []string{
			selects(p, "variables.namespaceLabels", "request.namespace"), selects(p, "variables.labelsBefore", "object.metadata.name"),
		} {
			if len(rendered) > weight {
				t.Fatalf("%d bytes are rendered, and it weighs %d: %s", len(rendered), weight, rendered)
			}
		}
	})
}
