package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// giant is how a profile's selection is made large. What it selects is no namespace of the suite.
type giant func(*v1alpha1.SecurityProfileSpec)

// byValues are requirements with as many values as there may be, as long as they may be.
func byValues(requirements int) giant {
	return func(spec *v1alpha1.SecurityProfileSpec) {
		for k := range requirements {
			e := v1alpha1.LabelRequirement{Key: fmt.Sprint("key-", k), Operator: metav1.LabelSelectorOpNotIn}
			for v := range 64 {
				e.Values = append(e.Values, strings.Repeat("v", 60)+fmt.Sprintf("%03d", v))
			}
			spec.NamespaceSelector.MatchExpressions = append(spec.NamespaceSelector.MatchExpressions, e)
		}
	}
}

// byGlobs are as many globs as there may be, of this text.
func byGlobs(text string) giant {
	return func(spec *v1alpha1.SecurityProfileSpec) {
		for n := range 256 {
			spec.ExcludeNamespaces = append(spec.ExcludeNamespaces, fmt.Sprintf("%s%03d", text, n))
		}
	}
}

// giants are profiles that outrank the one of this name, and that may share a namespace with it as
// far as the selectors tell.
func giants(name string, count int, large giant) []*v1alpha1.SecurityProfile {
	var profiles []*v1alpha1.SecurityProfile
	for i := range count {
		profiles = append(profiles, fixture.Profile(fmt.Sprintf("%s-giant-%02d", name, i), func(p *v1alpha1.SecurityProfile) {
			p.Spec.Priority = 1000
			p.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{MatchLabels: map[string]string{"suite": name, "giant": "yes"}}
			large(&p.Spec)
		}))
	}
	return profiles
}

var _ = Describe("A profile that selects by as much as the CRD lets it", func() {
	DescribeTable("is stalled, and leaves the policies of every other in force",
		func(count, stalled int, large giant) {
			// Policies of a quarter of a megabyte are written anew for each of them.
			SetDefaultEventuallyTimeout(time.Minute)
			DeferCleanup(SetDefaultEventuallyTimeout, eventuallyTimeout)
			lower, namespace := Governed(fixture.Guarded)
			EventuallyPoliced(lower)
			all := giants(lower.Name, count, large)
			for _, p := range all {
				ExpectCreated(p)
			}
			for _, p := range all[count-stalled:] {
				EventuallyCondition(p, v1alpha1.ConditionStalled, metav1.ConditionTrue)
				why := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionStalled)
				Expect(why.Reason).To(Equal(v1alpha1.ReasonInvalid))
				Expect(
					why.Message,
				).To(MatchRegexp(`spec\.namespaceSelector and spec\.excludeNamespaces are too large.* take \d+ bytes`))
			}
			for _, p := range all[:count-stalled] {
				EventuallyReady(p)
			}
			Update(
				lower,
				func(p *v1alpha1.SecurityProfile) { p.Spec.Images.AllowedRegistries = []string{"another.example.com"} },
			)
			EventuallyCondition(lower, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
			EventuallyReady(lower)
			EventuallyRefused(admin, fixture.HardenedPod(namespace, "elsewhere"), "must have an image from another.example.com")

			By("and can be mended")
			last := all[count-1]
			Update(last, func(p *v1alpha1.SecurityProfile) {
				p.Spec.ExcludeNamespaces, p.Spec.NamespaceSelector.MatchExpressions = nil, nil
			})
			EventuallyReady(last)
			EventuallyCondition(lower, v1alpha1.ConditionAdmission, metav1.ConditionTrue)
		},
		Entry("by values of labels", 1, 1, byValues(32)),
		Entry("by globs of names", 1, 1, byGlobs(strings.Repeat("*a", 30))),
		Entry("by many of some size", 14, 14, byValues(18)),
		Entry("by many that are not too large by themselves", 10, 2, byValues(7)),
	)
})
