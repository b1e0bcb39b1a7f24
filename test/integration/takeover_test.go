package integration

import (
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	enforceVersion = "pod-security.kubernetes.io/enforce-version"
	warnVersion    = "pod-security.kubernetes.io/warn-version"
	auditVersion   = "pod-security.kubernetes.io/audit-version"
)

// governedWithLevels is a profile, and a namespace that it selects and that bore labels before.
func governedWithLevels(
	levels map[string]string,
	changes ...func(*v1alpha1.SecurityProfile),
) (*v1alpha1.SecurityProfile, string) {
	GinkgoHelper()
	profile := fixture.Profile(UniqueName(), changes...)
	namespace := fixture.Namespace(profile.Name+"-a", profile.Name)
	maps.Copy(namespace.Labels, levels)
	namespace.Annotations = map[string]string{"example.com/team": "a"}
	ExpectCreated(namespace, profile)
	EventuallyReported(profile, namespace.Name)
	return profile, namespace.Name
}

// levelsOf are the Pod Security labels of a namespace.
func levelsOf(namespace string) map[string]string {
	GinkgoHelper()
	levels := labelsOf(namespace)
	maps.DeleteFunc(levels, func(key, _ string) bool { return !strings.HasPrefix(key, v1alpha1.PodSecurityPrefix) })
	return levels
}

// ExpectGivenBack checks that a namespace is as it was, and that nothing of ours is left on it.
func ExpectGivenBack(namespace string, levels map[string]string) {
	GinkgoHelper()
	EventuallyUnreported(namespace)
	Eventually(func() map[string]string { return levelsOf(namespace) }).Should(Equal(levels))
	ns := theNamespace(namespace)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
	Expect(ns.GetLabels()).NotTo(HaveKey(v1alpha1.ProfileLabel))
	Expect(ns.GetAnnotations()).To(Equal(map[string]string{"example.com/team": "a"}))
}

func deleteProfile(profile *v1alpha1.SecurityProfile) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, profile)).To(Succeed())
	EventuallyGone(profile)
}

var atBaselineBefore = map[string]string{enforceLevel: "baseline"}

var _ = Describe("The Pod Security labels that a namespace bore before", func() {
	DescribeTable(
		"are given back when its profile goes",
		func(levels map[string]string, changes ...func(*v1alpha1.SecurityProfile)) {
			profile, namespace := governedWithLevels(levels, changes...)
			EventuallyEstablished(profile, namespace)
			deleteProfile(profile)
			ExpectGivenBack(namespace, levels)
		},
		Entry("a level", atBaselineBefore),
		Entry("a level with its version", map[string]string{enforceLevel: "baseline", enforceVersion: "v1.30"}),
		Entry(
			"several modes",
			map[string]string{enforceLevel: "privileged", warnLevel: "baseline", warnVersion: "v1.29", auditLevel: "restricted"},
		),
		Entry("the same level, which somebody else has set too", map[string]string{enforceLevel: "restricted"}),
		Entry("none", map[string]string{}),
		Entry("with a guarded profile", atBaselineBefore, fixture.Guarded),
	)

	It("are in force again: the API server refuses what they refuse, and only that", func() {
		profile, namespace := governedWithLevels(atBaselineBefore)
		EventuallyEstablished(profile, namespace)
		Expect(refuses(loosePod(namespace, "loose"))).To(BeTrue())
		deselect(namespace)
		ExpectGivenBack(namespace, atBaselineBefore)
		Eventually(func() bool { return refuses(loosePod(namespace, "loose")) }).Should(BeFalse())
		Expect(refuses(fixture.PrivilegedPod(namespace, "privileged"))).To(BeTrue())
		Eventually(
			func() []string { return eventReasons("Namespace", namespace) },
		).Should(ContainElement(v1alpha1.EventBaselineRemoved))
	})

	It("are given back after handovers, restarts and a loss of the report", func() {
		first, namespace := governedWithLevels(atBaselineBefore, fixture.WithPriority(1))
		EventuallyEstablished(first, namespace)
		bulwark.Stop()
		Expect(admin.Delete(ctx, ReportOn(Default, namespace))).To(Succeed())
		second := fixture.Profile(
			first.Name+"-b",
			fixture.Selecting(first.Name),
			fixture.WithPriority(2),
			func(p *v1alpha1.SecurityProfile) {
				p.Spec.PodSecurity.Audit = "restricted"
			},
		)
		ExpectCreated(second)
		bulwark = startOperator()
		EventuallyEstablished(second, namespace)
		deleteProfile(second)
		EventuallyEstablished(first, namespace)
		bulwark.Stop()
		bulwark = startOperator()
		deleteProfile(first)
		ExpectGivenBack(namespace, atBaselineBefore)
	})

	It("are given back when a profile that declares no level takes over, and once", func() {
		first, namespace := governedWithLevels(atBaselineBefore)
		EventuallyEstablished(first, namespace)
		second := fixture.Profile(
			first.Name+"-b",
			fixture.OnlyNetwork,
			fixture.Selecting(first.Name),
			fixture.WithPriority(2),
		)
		ExpectCreated(second)
		EventuallyEstablished(second, namespace)
		Eventually(func() map[string]string { return levelsOf(namespace) }).Should(Equal(atBaselineBefore))
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[enforceLevel] = "restricted" })
		deleteProfile(second)
		EventuallyEstablished(first, namespace)
		deleteProfile(first)
		ExpectGivenBack(namespace, map[string]string{enforceLevel: "restricted"})
	})

	It("are given back in all modes that one profile after the other takes over", func() {
		first, namespace := governedWithLevels(map[string]string{enforceLevel: "baseline", auditLevel: "baseline"})
		EventuallyEstablished(first, namespace)
		second := fixture.Profile(
			first.Name+"-b",
			fixture.Selecting(first.Name),
			fixture.WithPriority(2),
			func(p *v1alpha1.SecurityProfile) {
				p.Spec.PodSecurity.Enforce, p.Spec.PodSecurity.Audit = "privileged", "restricted"
			},
		)
		ExpectCreated(second)
		EventuallyEstablished(second, namespace)
		Expect(
			levelsOf(namespace),
		).To(And(HaveKeyWithValue(enforceLevel, "privileged"), HaveKeyWithValue(auditLevel, "restricted")))
		Expect(admin.Delete(ctx, first)).To(Succeed())
		deleteProfile(second)
		EventuallyGone(first)
		ExpectGivenBack(namespace, map[string]string{enforceLevel: "baseline", auditLevel: "baseline"})
	})

	It("are given back if the level waited, and if it came at last", func() {
		profile, namespace := governedWithLevels(atBaselineBefore, fixture.OnlyNetwork)
		loose := loosePod(namespace, "loose")
		EventuallyAdmitted(loose)
		stricter := fixture.Profile(profile.Name+"-b", fixture.Selecting(profile.Name), fixture.WithPriority(2), whenSafe)
		ExpectCreated(stricter)
		EventuallyBlocked(namespace, "Namespace")
		Expect(
			levelsOf(namespace),
		).To(And(HaveKeyWithValue(enforceLevel, "baseline"), HaveKeyWithValue(warnLevel, "restricted")))
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = "nobody" })
		ExpectGivenBack(namespace, atBaselineBefore)

		selectAgain(profile, namespace)
		EventuallyBlocked(namespace, "Namespace")
		deleteNow(loose)
		Update(stricter, func(p *v1alpha1.SecurityProfile) { p.Spec.Priority++ })
		EventuallyEstablished(stricter, namespace)
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["suite"] = "nobody" })
		ExpectGivenBack(namespace, atBaselineBefore)
	})

	It("do not come to hold what somebody sets while the profile governs", func() {
		profile, namespace := governedWithLevels(atBaselineBefore)
		EventuallyEstablished(profile, namespace)
		for range 2 {
			Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()[enforceLevel] = "privileged" })
			Eventually(func() string { return labelsOf(namespace)[enforceLevel] }).Should(Equal("restricted"))
		}
		deleteProfile(profile)
		ExpectGivenBack(namespace, atBaselineBefore)
	})

	It("are not what a tenant forges, and loosen nothing while the profile governs", func() {
		profile := fixture.Profile(UniqueName())
		namespace := fixture.Namespace(profile.Name+"-a", profile.Name)
		namespace.Annotations = map[string]string{
			v1alpha1.PodSecurityBeforeAnnotation: `{"` + enforceLevel + `":"privileged","suite":"other"}`,
		}
		ExpectCreated(namespace, profile)
		EventuallyEstablished(profile, namespace.Name)
		Consistently(
			func() string { return labelsOf(namespace.Name)[enforceLevel] },
		).WithTimeout(time.Second).
			Should(Equal("restricted"))
		deleteProfile(profile)
		EventuallyUnreported(namespace.Name)
		Expect(levelsOf(namespace.Name)).To(BeEmpty(), "what an unmanaged namespace says of itself does not count")
	})

	DescribeTable(
		"are none that a namespace is made with, and no level that Bulwark never set is given back",
		func(
			selected bool, annotation string, change func(*v1alpha1.SecurityProfile),
		) {
			profile := fixture.Profile(UniqueName(), change)
			ExpectCreated(profile)
			namespace := fixture.Namespace(profile.Name+"-a", profile.Name)
			if !selected {
				namespace.Labels = map[string]string{}
			}
			namespace.Labels[v1alpha1.ProfileLabel] = profile.Name
			namespace.Annotations = map[string]string{v1alpha1.PodSecurityBeforeAnnotation: annotation}
			ExpectCreated(namespace)
			undeclared := func(g Gomega) {
				g.Expect(labelsOf(namespace.Name)).NotTo(Or(HaveKey(auditLevel), HaveKey(auditVersion)))
			}
			if selected {
				EventuallyEstablished(profile, namespace.Name)
				Consistently(undeclared).WithTimeout(time.Second).Should(Succeed())
				deleteProfile(profile)
				EventuallyUnreported(namespace.Name)
			}
			Eventually(func() map[string]string { return labelsOf(namespace.Name) }).ShouldNot(HaveKey(v1alpha1.ProfileLabel))
			Consistently(undeclared).WithTimeout(time.Second).Should(Succeed())
			if !selected {
				Expect(levelsOf(namespace.Name)).To(BeEmpty())
			}
		},
		Entry(
			"a mode that the profile does not declare",
			true,
			`{"`+auditLevel+`":"privileged"}`,
			func(*v1alpha1.SecurityProfile) {},
		),
		Entry(
			"its version",
			true,
			`{"`+auditVersion+`":"v1.20","`+auditLevel+`":"baseline"}`,
			func(*v1alpha1.SecurityProfile) {},
		),
		Entry("any mode, of a profile that declares none", true, `{"`+auditLevel+`":"privileged"}`, fixture.OnlyNetwork),
		Entry("any mode, in a namespace that no profile selects", false,
			`{"`+enforceLevel+`":"privileged","`+auditLevel+`":"baseline"}`, func(*v1alpha1.SecurityProfile) {}),
	)

	It("stay those of the profile, and are remembered no more, if that retains", func() {
		profile, namespace := governedWithLevels(atBaselineBefore, fixture.Retained)
		EventuallyEstablished(profile, namespace)
		deleteProfile(profile)
		ExpectGivenBack(namespace, map[string]string{
			enforceLevel: "restricted", enforceVersion: "v1.37", warnLevel: "restricted", warnVersion: "v1.37"})

		By("and so are before the next one's")
		next := fixture.Profile(profile.Name, atBaseline)
		ExpectCreated(next)
		EventuallyEstablished(next, namespace)
		deleteProfile(next)
		Expect(levelsOf(namespace)).To(HaveKeyWithValue(enforceLevel, "restricted"))
	})

	It("are given back though the operator dies right after it has set its own", func() {
		proxy := behindProxy()
		profile := fixture.Profile(UniqueName())
		namespace := fixture.Namespace(profile.Name+"-a", profile.Name)
		namespace.Labels[enforceLevel], namespace.Annotations = "baseline", map[string]string{"example.com/team": "a"}
		cut := make(chan struct{})
		proxy.OnNextWrite(
			func(to string) bool { return strings.HasSuffix(to, "/namespaces/"+namespace.Name) },
			func() {
				proxy.Isolate()
				close(cut)
			},
		)
		ExpectCreated(namespace, profile)
		Eventually(cut).Should(BeClosed())
		bulwark.Stop()
		Expect(labelsOf(namespace.Name)).To(HaveKeyWithValue(enforceLevel, "restricted"))
		bulwark = startOperator()
		EventuallyEstablished(profile, namespace.Name)
		deleteProfile(profile)
		ExpectGivenBack(namespace.Name, atBaselineBefore)
	})

	It("are given back with no instant without a level", func() {
		profile, namespace := governedWithLevels(atBaselineBefore)
		EventuallyEstablished(profile, namespace)
		watch, err := watching(namespace)
		Expect(err).NotTo(HaveOccurred())
		deleteProfile(profile)
		ExpectGivenBack(namespace, atBaselineBefore)
		Expect(watch()).To(HaveEach(BeElementOf("restricted", "baseline")))
	})

	It("are, where server-side apply set them, its owner's again when that applies them", func() {
		profile := fixture.Profile(UniqueName())
		namespace := profile.Name + "-a"
		apply := func() error {
			return admin.Apply(
				ctx,
				corev1ac.Namespace(namespace).WithLabels(map[string]string{"suite": profile.Name, enforceLevel: "baseline"}).
					WithAnnotations(map[string]string{"example.com/team": "a"}),
				client.FieldOwner("gitops"),
				client.ForceOwnership,
			)
		}
		Expect(apply()).To(Succeed())
		ExpectCreated(profile)
		EventuallyEstablished(profile, namespace)
		Expect(apply()).To(Succeed())
		EventuallyEstablished(profile, namespace)
		deleteProfile(profile)
		ExpectGivenBack(namespace, atBaselineBefore)
		Expect(apply()).To(Succeed())
		ExpectGivenBack(namespace, atBaselineBefore)
	})
})

// watching watches the level that a namespace enforces, and then tells all that it had.
func watching(namespace string) (levels func() []string, err error) {
	clients, err := client.NewWithWatch(plane.Config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		return nil, err
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	watch, err := clients.Watch(ctx, list, client.MatchingFields{"metadata.name": namespace})
	if err != nil {
		return nil, err
	}
	seen := make(chan []string)
	go func() {
		var levels []string
		for e := range watch.ResultChan() {
			if ns, ok := e.Object.(*metav1.PartialObjectMetadata); ok {
				levels = append(levels, ns.Labels[enforceLevel])
			}
		}
		seen <- levels
	}()
	return func() []string { watch.Stop(); return <-seen }, nil
}
