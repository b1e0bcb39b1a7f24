package integration

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/controllers"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("At rest", func() {
	It(
		"the operator writes nothing: not by itself, not after a restart, not for a quota's usage or a tenant's objects",
		func() {
			profile, namespace := Governed(func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity = nil })
			audited, auditedIn := Governed(fixture.Audited)
			EventuallyEstablished(profile, namespace)
			EventuallyReported(audited, auditedIn)
			EventuallyReady(profile)
			EventuallyReady(audited)
			EventuallyQuiet()

			before := operatorWrites()
			EventuallyAdmitted(fixture.RestrictedPod(namespace, "usage")) // The quota's status changes.
			Expect(
				admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "unrelated"}}),
			).To(Succeed())
			Update(theNamespace(namespace), func(o client.Object) { o.SetAnnotations(map[string]string{"unrelated": "yes"}) })
			bulwark.Stop()
			bulwark = startOperator()
			EventuallySynced(profile.Name)
			Consistently(
				func() []string { return unlike(before, operatorWrites()) },
			).WithTimeout(4 * time.Second).
				Should(BeEmpty())
		},
	)
})

var _ = Describe("A roll-out", func() {
	restartedWith(func(o *operator.Options) { o.StatusInterval = controllers.DefaultStatusInterval })

	It(
		"costs each namespace its objects, one namespace patch and one report, and the profile one status a second",
		func() {
			const namespaces = 30
			name := UniqueName()
			for i := range namespaces {
				ExpectCreated(fixture.Namespace(fmt.Sprintf("%s-%d", name, i), name))
			}
			EventuallyQuiet()
			before, began := len(operatorWrites()), time.Now()
			profile := fixture.Profile(name)
			ExpectCreated(profile)
			EventuallyReady(profile)
			took := time.Since(began)
			Expect(profile.Status.Namespaces).To(Equal(v1alpha1.NamespaceCounts{Selected: namespaces, Compliant: namespaces}))
			objects, statuses := 0, 0
			for _, w := range operatorWrites()[before:] {
				switch {
				case w.Resource == "securityprofiles" && w.Subresource == "status":
					statuses++
				case w.Stored() && w.Resource != "events" && w.Resource != "securityprofiles":
					objects++
				}
			}
			Expect(objects).To(Equal(namespaces * (len(baseline.Render(profile, "any")) + 1)))
			Expect(statuses).To(BeNumerically("<=", took.Seconds()+1))
		},
	)
})

// EventuallyQuiet waits until the operator has written nothing for more than a second.
func EventuallyQuiet() {
	GinkgoHelper()
	var last int
	var since time.Time
	Eventually(func() bool {
		if n := len(operatorWrites()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	}).WithTimeout(time.Minute).Should(BeTrue())
}

// EventuallySynced waits until the operator has looked at a profile since it started.
func EventuallySynced(profile string) {
	GinkgoHelper()
	Eventually(
		func() float64 { return metric("bulwark_namespaces", "profile", profile, "state", "selected") },
	).Should(Equal(1.0))
}

// unlike are the writes that came after the first ones, but for what is not written to a cluster's
// state.
func unlike(before, after []controlplane.Write) []string {
	var more []string
	for _, w := range after[len(before):] {
		if w.Stored() {
			more = append(more, fmt.Sprintf("%+v", w))
		}
	}
	return more
}
