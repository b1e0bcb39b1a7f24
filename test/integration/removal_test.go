package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// selectingBy makes a profile select by a label of which others know nothing, so that a namespace
// may bear both.
func selectingBy(key string) func(*v1alpha1.SecurityProfile) {
	return func(p *v1alpha1.SecurityProfile) {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{key: "yes"}
	}
}

// guardedBy is a guarded profile that selects by a label of its own, and a namespace that it
// governs.
func guardedBy(
	name, key string,
	priority int32,
	changes ...func(*v1alpha1.SecurityProfile),
) (*v1alpha1.SecurityProfile, string) {
	GinkgoHelper()
	changes = append(
		[]func(*v1alpha1.SecurityProfile){
			fixture.OnlyNetwork,
			fixture.Guarded,
			selectingBy(key),
			fixture.WithPriority(priority),
		},
		changes...)
	profile := fixture.Profile(name, changes...)
	namespace := fixture.Namespace(name+"-a", name)
	namespace.Labels[key] = "yes"
	ExpectCreated(namespace, profile)
	EventuallyEstablished(profile, namespace.Name)
	return profile, namespace.Name
}

// policyWrites are the operator's writes to the admission policies of a profile.
func policyWrites(writes []controlplane.Write, profile *v1alpha1.SecurityProfile) []controlplane.Write {
	var of []controlplane.Write
	for _, w := range writes {
		if strings.HasPrefix(w.Resource, "validatingadmissionpolic") && admission.IsNamed(profile.Name, w.Name) {
			of = append(of, w)
		}
	}
	return of
}

// released is when the operator let a profile go.
func released(writes []controlplane.Write, profile *v1alpha1.SecurityProfile) time.Time {
	GinkgoHelper()
	var at time.Time
	for _, w := range writes {
		if w.Resource == "securityprofiles" && w.Subresource == "" && w.Name == profile.Name && w.Verb == "patch" {
			at = w.At
		}
	}
	Expect(at).NotTo(BeZero(), "nobody let %s go", profile.Name)
	return at
}

// ExpectRewrittenAfter checks that each policy of a profile was written once at most, and not
// before a time.
func ExpectRewrittenAfter(writes []controlplane.Write, profile *v1alpha1.SecurityProfile, at time.Time) {
	GinkgoHelper()
	names := map[string]bool{}
	for _, w := range policyWrites(writes, profile) {
		Expect(w.Received).To(BeTemporally(">=", at), "%s %s", w.Resource, w.Name)
		Expect(names).NotTo(HaveKey(w.Resource+w.Name), "written twice")
		names[w.Resource+w.Name] = true
	}
}

var _ = Describe("Deleting one profile of several", func() {
	It("lets it go before the policies of any other are written, and then writes those that gave way to it, once", func() {
		name := UniqueName()
		going, namespace := guardedBy(name+"-going", name+"-going", 900)
		var others []*v1alpha1.SecurityProfile
		for i := range 3 {
			other, _ := guardedBy(fmt.Sprint(name, "-", i), fmt.Sprint(name, "-", i), int32(100+i))
			others = append(others, other)
		}
		above, _ := guardedBy(name+"-above", name+"-above", 950)
		apart := fixture.Profile(name+"-apart", fixture.OnlyNetwork, fixture.Guarded, func(p *v1alpha1.SecurityProfile) {
			p.Spec.NamespaceSelector.MatchLabels = nil
			p.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.LabelRequirement{
				{Key: name + "-going", Operator: metav1.LabelSelectorOpDoesNotExist},
				{Key: name + "-apart", Operator: metav1.LabelSelectorOpExists},
			}
		})
		ExpectCreated(apart)
		EventuallyPoliced(others[0], above, going, others[2], others[1])
		EventuallyReady(apart)
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[name+"-0"] = "yes" })
		EventuallyQuiet()
		before := len(operatorWrites())

		Expect(admin.Delete(ctx, going)).To(Succeed())
		EventuallyGone(going)
		EventuallyEstablished(others[0], namespace)
		EventuallyPoliced(others[0], above, others[2], others[1])
		EventuallyQuiet()
		writes := operatorWrites()[before:]
		for _, other := range others {
			ExpectRewrittenAfter(writes, other, released(writes, going))
		}
		Expect(policyWrites(writes, above)).To(BeEmpty(), "it never gave way")
		Expect(policyWrites(writes, apart)).To(BeEmpty(), "no namespace can be both's")

		By("and holds what it hands over to the rules of who governs now")
		tenant := fixture.HardenedPod(
			namespace,
			"of-another-registry",
		) // Of several policies that refuse, the API server names any.
		tenant.Spec.Containers[0].Image = "app:v1"
		EventuallyRefused(admin, tenant, "registry.example.com")
	})

	It("lets all of several go before, and writes the others once", func() {
		name := UniqueName()
		other, _ := guardedBy(name, name, 100)
		var going []*v1alpha1.SecurityProfile
		for i := range 4 {
			p, _ := guardedBy(fmt.Sprint(name, "-going-", i), fmt.Sprint(name, "-going-", i), int32(500+i))
			going = append(going, p)
		}
		EventuallyPoliced(other, going[3], going[2], going[1], going[0])
		EventuallyQuiet()
		before := len(operatorWrites())
		for _, p := range going {
			Expect(admin.Delete(ctx, p)).To(Succeed())
		}
		for _, p := range going {
			EventuallyGone(p)
		}
		EventuallyPoliced(other)
		EventuallyQuiet()
		writes := operatorWrites()[before:]
		for _, p := range going {
			ExpectRewrittenAfter(writes, other, released(writes, p))
		}
	})

	It("does not hold the others up for long if it cannot go", func() {
		name := UniqueName()
		going, namespace := guardedBy(name+"-going", name+"-going", 900, func(p *v1alpha1.SecurityProfile) {
			p.Spec.RBAC = fixture.Profile(name).Spec.RBAC
		})
		other, _ := guardedBy(name, name, 100)
		EventuallyPoliced(other, going)
		permit := forbidDeletionOfRoles(namespace)
		Expect(admin.Delete(ctx, going)).To(Succeed())
		Consistently(func(g Gomega) { g.Expect(policyDifferences(g, other, going)).To(BeEmpty()) }).Should(Succeed())
		Eventually(
			func(g Gomega) { g.Expect(policyDifferences(g, other)).To(BeEmpty()) },
		).WithTimeout(30 * time.Second).
			Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(going), going)).To(Succeed())
		permit()
		EventuallyGone(going)
	})

	It("keeps to what others declare meanwhile", func() {
		name := UniqueName()
		going, _ := guardedBy(name+"-going", name+"-going", 900)
		other, _ := guardedBy(name, name, 100)
		EventuallyPoliced(other, going)
		Update(going, func(p *v1alpha1.SecurityProfile) { p.Finalizers = append(p.Finalizers, "example.com/stay") })
		Expect(admin.Delete(ctx, going)).To(Succeed())
		Update(other, func(p *v1alpha1.SecurityProfile) { p.Spec.Images.AllowedRegistries = []string{"other.example.com"} })
		EventuallyPoliced(other)
		Update(going, func(p *v1alpha1.SecurityProfile) { p.Finalizers = nil })
		EventuallyGone(going)
	})
})
