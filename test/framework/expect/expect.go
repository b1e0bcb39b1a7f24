package expect

import (
	"fmt"
	"time"
	"unicode"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// ExpectCreated creates objects, and deletes profiles again when the spec ends, so that specs do
// not meet.
func ExpectCreated(objects ...client.Object) {
	GinkgoHelper()
	for _, o := range objects {
		Expect(admin.Create(ctx, o)).To(Succeed())
		if profile, ok := o.(*v1alpha1.SecurityProfile); ok {
			DeferCleanup(func() {
				Expect(client.IgnoreNotFound(admin.Delete(ctx, profile))).To(Succeed())
				EventuallyGone(profile)
			})
		}
	}
}

// Governed creates a profile and a namespace that it selects, and waits until the baseline is in
// place.
func Governed(changes ...func(*v1alpha1.SecurityProfile)) (*v1alpha1.SecurityProfile, string) {
	GinkgoHelper()
	name := UniqueName()
	profile := fixture.Profile(name, changes...)
	namespace := name + "-a"
	ExpectCreated(fixture.Namespace(namespace, name), profile)
	EventuallyReported(profile, namespace)
	return profile, namespace
}

// EventuallyReady waits until the profile's conditions say so of its present generation.
func EventuallyReady(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	EventuallyCondition(profile, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// EventuallyCondition waits until a condition of the profile has a status, of its present
// generation.
func EventuallyCondition(profile *v1alpha1.SecurityProfile, conditionType string, status metav1.ConditionStatus) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		g.Expect(profile.Status.ObservedGeneration).To(Equal(profile.Generation))
		condition := meta.FindStatusCondition(profile.Status.Conditions, conditionType)
		g.Expect(condition).NotTo(BeNil(), "%s in %v", conditionType, profile.Status.Conditions)
		g.Expect(condition.Status).To(Equal(status), "%s: %s", condition.Reason, condition.Message)
		g.Expect(condition.ObservedGeneration).To(Equal(profile.Generation))
	}).Should(Succeed())
}

// EventuallyReported waits for the report of the profile's present generation on a namespace.
func EventuallyReported(profile *v1alpha1.SecurityProfile, namespace string) *v1alpha1.NamespacePosture {
	GinkgoHelper()
	var report *v1alpha1.NamespacePosture
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		report = ReportOn(g, namespace)
		g.Expect(report.Profile).To(Equal(profile.Name))
		g.Expect(report.ProfileGeneration).To(Equal(profile.Generation))
	}).Should(Succeed())
	return report
}

// ReportOn is the report on a namespace.
func ReportOn(g Gomega, namespace string) *v1alpha1.NamespacePosture {
	GinkgoHelper()
	report := &v1alpha1.NamespacePosture{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName}, report)).To(Succeed())
	return report
}

// EventuallyEstablished waits until the namespace holds exactly what the profile declares, by the
// API server's own answer, and its report says so. The report is asked before, too: while it says
// no, one request tells.
func EventuallyEstablished(profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
		expectReady(g, profile, namespace)
		g.Expect(Differences(g, profile, namespace)).To(BeEmpty())
		expectReady(g, profile, namespace)
	}).Should(Succeed())
}

// expectReady checks that the report is on what the profile declares now, and that it is in place.
func expectReady(g Gomega, profile *v1alpha1.SecurityProfile, namespace string) {
	GinkgoHelper()
	report := ReportOn(g, namespace)
	g.Expect(report.Profile).To(Equal(profile.Name))
	g.Expect(report.ProfileGeneration).To(Equal(profile.Generation))
	g.Expect(report.IsReady()).To(BeTrue(), "%v", report.Objects)
}

// Differences are what the namespace's live objects lack of the baseline, or hold beyond it.
func Differences(g Gomega, profile *v1alpha1.SecurityProfile, namespace string) []string {
	GinkgoHelper()
	var differences []string
	for _, d := range drift.Compare(baseline.Render(profile, namespace), Managed(g, namespace), drift.Ours) {
		differences = append(differences, fmt.Sprint(d.Change, " ", d.Object.Kind, " ", d.Object.Name, " ", d.Fields))
	}
	return differences
}

// Managed are the live objects of a namespace that bear our labels, and the namespace itself.
func Managed(g Gomega, namespace string) []baseline.Object {
	GinkgoHelper()
	objects, err := fixture.Managed(ctx, admin, namespace)
	g.Expect(err).NotTo(HaveOccurred())
	return objects
}

// EventuallyGone waits until the API server does not know the object.
func EventuallyGone(o client.Object) {
	GinkgoHelper()
	EventuallyGoneWithin(30*time.Second, o)
}

// EventuallyGoneWithin waits no longer than that.
func EventuallyGoneWithin(longest time.Duration, o client.Object) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopyObject().(client.Object)))
	}).WithTimeout(longest).Should(BeTrue(), "%T %s is still there", o, o.GetName())
}

// EventuallyDrift waits for an entry of the report that the matcher accepts.
func EventuallyDrift(namespace string, accepts func(v1alpha1.DriftEntry) bool) v1alpha1.DriftEntry {
	GinkgoHelper()
	var found v1alpha1.DriftEntry
	Eventually(func(g Gomega) {
		report := ReportOn(g, namespace)
		for _, entry := range report.Drift {
			if accepts(entry) {
				found = entry
				return
			}
		}
		g.Expect(report.Drift).To(ContainElement("the wanted entry"))
	}).Should(Succeed())
	return found
}

// SteersTerminal reports whether a character does something to a terminal instead of being seen.
func SteersTerminal(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
