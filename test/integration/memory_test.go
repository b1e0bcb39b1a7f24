package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/internal/posture"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
)

// watched counts the watches of a path.
type watched struct {
	http.RoundTripper
	path  string
	times *atomic.Int64
}

func (w watched) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Path == w.path && request.URL.Query().Get("watch") != "" {
		w.times.Add(1)
	}
	return w.RoundTripper.RoundTrip(request)
}

// enlarging makes an object large, or changes it, in a way of its kind.
type enlarging func(namespace, name string, labels map[string]string) client.Object

// hostiles are objects of some hundred kilobytes, which take megabytes of memory.
var hostiles = map[string]enlarging{
	"a NetworkPolicy of many empty rules": func(namespace, name string, labels map[string]string) client.Object {
		return &networkingv1.NetworkPolicy{ObjectMeta: objectMeta(namespace, name, labels), Spec: manyRules(100_000)}
	},
	"a Role of many rules": func(namespace, name string, labels map[string]string) client.Object {
		rules := slices.Repeat(
			[]rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}},
			5_000,
		)
		return &rbacv1.Role{ObjectMeta: objectMeta(namespace, name, labels), Rules: rules}
	},
	"a RoleBinding of many subjects": func(namespace, name string, labels map[string]string) client.Object {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: objectMeta(namespace, name, labels),
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		}
		for i := range 5_000 {
			binding.Subjects = append(
				binding.Subjects,
				rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: "User", Name: fmt.Sprint("user-", i)},
			)
		}
		return binding
	},
	"a ResourceQuota of many entries": func(namespace, name string, labels map[string]string) client.Object {
		quota := &corev1.ResourceQuota{ObjectMeta: objectMeta(namespace, name, labels)}
		quota.Spec.Hard = corev1.ResourceList{}
		for i := range 3_000 {
			quota.Spec.Hard[corev1.ResourceName(fmt.Sprintf("requests.example.com/device-%d", i))] = *resourceQuantity("5")
		}
		return quota
	},
	"a LimitRange of many resources": func(namespace, name string, labels map[string]string) client.Object {
		item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{}}
		for i := range 3_000 {
			item.Max[corev1.ResourceName(fmt.Sprintf("example.com/device-%d", i))] = *resourceQuantity("5")
		}
		return &corev1.LimitRange{
			ObjectMeta: objectMeta(namespace, name, labels),
			Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
		}
	},
	"a ServiceAccount of many Secrets": func(namespace, name string, labels map[string]string) client.Object {
		account := &corev1.ServiceAccount{ObjectMeta: objectMeta(namespace, name, labels)}
		for i := range 20_000 {
			account.Secrets = append(account.Secrets, corev1.ObjectReference{Name: fmt.Sprint("s", i)})
			account.ImagePullSecrets = append(account.ImagePullSecrets, corev1.LocalObjectReference{Name: fmt.Sprint("s", i)})
		}
		return account
	},
	"a Role with many labels, annotations, finalizers and owners": func(namespace, name string, labels map[string]string) client.Object {
		role := &rbacv1.Role{ObjectMeta: objectMeta(namespace, name, labels)}
		role.Annotations = map[string]string{"long": strings.Repeat("x", 200<<10)}
		for i := range 2_000 {
			role.Labels[fmt.Sprint("label-", i)] = "x"
			role.Finalizers = append(role.Finalizers, fmt.Sprint("example.com/finalizer-", i))
		}
		return role
	},
}

func objectMeta(namespace, name string, labels map[string]string) metav1.ObjectMeta {
	all := map[string]string{}
	for key, value := range labels {
		all[key] = value
	}
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: all}
}

func manyRules(n int) networkingv1.NetworkPolicySpec {
	return networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{"Ingress"}, Ingress: make([]networkingv1.NetworkPolicyIngressRule, n),
	}
}

// theirLabels are what a tenant copies from an object of the baseline.
func theirLabels(profile string) map[string]string {
	return map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile}
}

// anotherReplica is one more operator, which does not lead and begins to read now.
func anotherReplica() *inprocess.Standby {
	GinkgoHelper()
	standby, err := inprocess.StartStandby(ctx, operatorConf, admin)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(standby.Stop()).To(Succeed()) })
	return standby
}

// held are the objects of a namespace that a cache holds of one kind.
func held(caches cache.Cache, kind *baseline.Kind, namespace string) []baseline.Object {
	GinkgoHelper()
	list, err := operator.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	Expect(err).NotTo(HaveOccurred())
	Expect(caches.List(ctx, list.(client.ObjectList), client.InNamespace(namespace))).To(Succeed())
	items, err := meta.ExtractList(list)
	Expect(err).NotTo(HaveOccurred())
	var objects []baseline.Object
	for _, item := range items {
		objects = append(objects, item.(baseline.Object))
	}
	return objects
}

// heldBytes is how large all that is together, as it would be written.
func heldBytes(caches cache.Cache, namespace string) int {
	GinkgoHelper()
	bytes := 0
	for i := range baseline.NamespacedKinds {
		for _, o := range held(caches, &baseline.NamespacedKinds[i], namespace) {
			bytes += o.(interface{ Size() int }).Size()
		}
	}
	return bytes
}

var _ = Describe("What tenants write with Bulwark's labels", func() {
	It(
		"is not held by the caches: not what no profile declares, nor what is larger than it may be, nor what nobody compares",
		func() {
			profile, namespace := Governed(fixture.Audited)
			caches := anotherReplica()
			before := heldBytes(caches, namespace)
			n := 0
			for sentence, make := range hostiles {
				n++
				By(sentence)
				Expect(
					admin.Create(ctx, make(namespace, "hoard", theirLabels(profile.Name))),
				).To(Or(Succeed(), MatchError(ContainSubstring("exists"))))
			}
			n-- // Two are Roles of one name.
			for _, desired := range baseline.Render(profile, namespace) {
				for _, make := range hostiles {
					forged := make(namespace, desired.GetName(), theirLabels(profile.Name))
					if baseline.KindOf(forged.(baseline.Object)).Is(desired) && desired.GetName() != "default" {
						Expect(admin.Create(ctx, forged)).To(Or(Succeed(), MatchError(ContainSubstring("exists"))))
						n++
						break
					}
				}
			}
			Expect(n).To(BeNumerically(">", 8), "names that the profile declares are among them")
			check := func(caches *inprocess.Standby) {
				GinkgoHelper()
				Eventually(func() int {
					count := 0
					for i := range baseline.NamespacedKinds {
						count += len(held(caches, &baseline.NamespacedKinds[i], namespace))
					}
					return count
				}).Should(BeNumerically(">=", n))
				Expect(heldBytes(caches, namespace) - before).To(BeNumerically("<", n*2<<10))
				Expect(caches.Informers.Undesired.Uncached("Role", namespace)).To(BeZero())
			}
			check(caches)
			By("an operator that is started thereafter")
			later := anotherReplica()
			check(later)
			Eventually(func(g Gomega) { // The report tells of each, in bounded words.
				report := ReportOn(g, namespace)
				g.Expect(report.Findings).
					To(ContainElement(And(HaveField("ID", v1alpha1.FindingIDObjectTooLarge), HaveField("Object.Name", "bulwark-default-deny"))))
				g.Expect(report.Drift).To(ContainElement(And(
					HaveField("Object.Name", "bulwark-default-deny"),
					HaveField(
						"Fields",
						ContainElement(And(HaveField("Path", "spec"), HaveField("Got", ContainSubstring("more than is read")))),
					),
				)))
				g.Expect(posture.Size(report)).To(BeNumerically("<", 64<<10))
			}).Should(Succeed())
			By("the profile enforces")
			Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementEnforce })
			EventuallyEstablished(profile, namespace)
			Eventually(
				func() int { return len(Managed(Default, namespace)) },
			).Should(Equal(len(baseline.Render(profile, namespace))))
			Eventually(func(g Gomega) {
				g.Expect(ReportOn(g, namespace).Findings).NotTo(ContainElement(HaveField("ID", v1alpha1.FindingIDObjectTooLarge)))
			}).Should(Succeed())
		},
	)

	It("is replaced whole where it takes the place of what a profile declares, and is attributed", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		for sentence, make := range hostiles {
			forged := make(namespace, "", theirLabels(profile.Name)).(baseline.Object)
			for _, desired := range baseline.Render(profile, namespace) {
				if !baseline.KindOf(forged).Is(desired) || baseline.KindOf(forged).Shared {
					continue
				}
				By(sentence + ": " + desired.GetName())
				o := baseline.KindOf(forged).New()
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(desired), o)).To(Succeed())
				uid := o.GetUID()
				tamperWith(o, forged)
				Expect(admin.Update(ctx, o, asTenant)).To(Succeed())
				EventuallyEstablished(profile, namespace)
				Expect(admin.Get(ctx, client.ObjectKeyFromObject(desired), o)).To(Succeed())
				if _, quota := o.(*corev1.ResourceQuota); !quota { // What may have changed in what is immutable is made anew.
					Expect(o.GetUID()).To(Equal(uid))
				}
				break
			}
		}
		entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
			return e.Object.Kind == "NetworkPolicy" && e.State == v1alpha1.DriftStateCorrected
		})
		Expect(entry.Manager).To(Equal(string(asTenant)))
		Expect(entry.Fields).To(ContainElement(HaveField("Got", ContainSubstring("more than is read"))))
	})

	It("on the default ServiceAccount is neither drift nor held", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		caches := anotherReplica()
		before := heldBytes(caches, namespace)
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}}
		large := hostiles["a ServiceAccount of many Secrets"](namespace, "default", nil).(*corev1.ServiceAccount)
		Update(account, func(a *corev1.ServiceAccount) {
			a.Secrets, a.ImagePullSecrets = large.Secrets, large.ImagePullSecrets
			a.Annotations = map[string]string{"long": strings.Repeat("x", 200<<10)}
		})
		Consistently(func() int { return heldBytes(caches, namespace) - before }).Should(BeNumerically("<", 1<<10))
		Expect(ReportOn(Default, namespace).DriftTotal).To(BeZero())
		Update(account, func(a *corev1.ServiceAccount) { a.AutomountServiceAccountToken = new(true) })
		EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.Object.Kind == "ServiceAccount" })
		EventuallyEstablished(profile, namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(account), account)).To(Succeed())
		Expect(account.Secrets).To(HaveLen(20_000), "others' Secrets are theirs")
	})

	It("on a ServiceAccount that a profile declares, more owners than are held, is no drift that never ends", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		account := &corev1.ServiceAccount{ObjectMeta: objectMeta(namespace, "bulwark-app", nil)}
		Update(account, func(o *corev1.ServiceAccount) {
			for i := range 40 {
				o.OwnerReferences = append([]metav1.OwnerReference{{
					APIVersion: "example.com/v1", Kind: "App", Name: fmt.Sprint("app-", i), UID: types.UID(fmt.Sprint("uid-", i)),
				}}, o.OwnerReferences...)
			}
		})
		Consistently(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).DriftTotal).To(BeZero())
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(account), account)).To(Succeed())
			g.Expect(account.OwnerReferences).To(HaveLen(41))
		}).Should(Succeed())
	})

	It("is held up to a number, told beyond it, and removed all the same once the profile enforces", func() {
		profile, namespace := Governed(fixture.OnlyNetwork, fixture.Audited)
		caches := anotherReplica()
		flood(namespace, profile.Name, boundedcache.MaxUndesired+300)
		Eventually(func() int { return caches.Informers.Undesired.Uncached("Role", namespace) }).Should(Equal(300))
		Eventually(
			func() int { return len(held(caches, kindOf("Role"), namespace)) },
		).Should(Equal(boundedcache.MaxUndesired))
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Findings).To(ContainElement(And(
				HaveField(
					"ID",
					v1alpha1.FindingIDTooManyObjects,
				),
				HaveField("Message", HavePrefix("more objects of the kind Role")),
			)))
		}).Should(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementEnforce })
		EventuallyEstablished(profile, namespace)
		Eventually(func() int { return labelledRoles(namespace) }).Should(BeZero())
		Eventually(func() int { return caches.Informers.Undesired.Uncached("Role", namespace) }).Should(BeZero())
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Findings).NotTo(ContainElement(HaveField("ID", v1alpha1.FindingIDTooManyObjects)))
		}).Should(Succeed())
	})

	It("is removed in a namespace that nobody governs, also those that are not held", func() {
		namespace := unselectedNamespace()
		caches := anotherReplica()
		bulwark.Stop()
		flood(namespace, "nobodys-"+namespace, boundedcache.MaxUndesired+20)
		Eventually(func() int { return caches.Informers.Undesired.Uncached("Role", namespace) }).Should(Equal(20))
		bulwark = startOperator()
		Eventually(func() int { return labelledRoles(namespace) }).Should(BeNumerically("<", boundedcache.MaxUndesired))
		for _, o := range held(caches, kindOf("Role"), namespace) {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, o))).To(Succeed())
		}
		Eventually(
			func() int { return labelledRoles(namespace) },
		).Should(BeNumerically("<", 20), "they are removed one by one")
		Expect(admin.DeleteAllOf(ctx, &rbacv1.Role{}, client.InNamespace(namespace))).To(Succeed())
	})

	It("is compared in full once a profile declares its name", func() {
		profile, namespace := Governed(fixture.OnlyNetwork, fixture.Audited)
		spec := networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{"Egress"}}
		policy := &networkingv1.NetworkPolicy{
			ObjectMeta: objectMeta(namespace, "bulwark-later", theirLabels(profile.Name)),
			Spec:       spec,
		}
		policy.OwnerReferences = baseline.Owner(profile)
		ExpectCreated(policy)
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Drift).
				To(ContainElement(And(HaveField("Object.Name", "bulwark-later"), HaveField("Change", v1alpha1.DriftChangeUnexpected))))
		}).Should(Succeed())
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Network.Policies = []v1alpha1.NetworkPolicy{{Name: "later", Spec: spec}}
		})
		EventuallyReported(profile, namespace)
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).Objects).To(ContainElement(And(
				HaveField("Name", "bulwark-later"), HaveField("State", v1alpha1.ObjectStateCompliant))))
		}).Should(Succeed())
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(policy), policy)).To(Succeed())
		Expect(policy.Generation).To(BeEquivalentTo(1), "it was as it is declared")
	})

	It("on namespaces is held as far as a profile selects by it, also by one that comes later", func() {
		name := UniqueName()
		namespace := fixture.Namespace(name, name)
		for i := range 5_000 {
			namespace.Labels[fmt.Sprintf("many.example.com/label-%d", i)] = "x"
		}
		namespace.Labels["later.example.com/"+name] = "yes"
		ExpectCreated(namespace)
		caches := anotherReplica()
		var heldOf corev1.Namespace
		Expect(caches.Get(ctx, client.ObjectKeyFromObject(namespace), &heldOf)).To(Succeed())
		Expect(len(heldOf.Labels)).To(BeNumerically("<", 16))
		profile := fixture.Profile(name, fixture.OnlyNetwork)
		profile.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{
			MatchLabels: map[string]string{"later.example.com/" + name: "yes"},
		}
		ExpectCreated(profile)
		EventuallyEstablished(profile, name)
		Eventually(func(g Gomega) {
			g.Expect(caches.Get(ctx, client.ObjectKeyFromObject(namespace), &heldOf)).To(Succeed())
			g.Expect(heldOf.Labels).To(HaveKey("later.example.com/" + name))
		}).Should(Succeed())
		Expect(len(heldOf.Labels)).To(BeNumerically("<", 16))
	})

	It("on namespaces has nobody wait for a watch that begins anew, however many labels profiles select by", func() {
		bulwark.Stop()
		var watches atomic.Int64
		config := rest.CopyConfig(operatorConf)
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return watched{next, "/api/v1/namespaces", &watches} })
		bulwark = startOperatorWith(config)
		DeferCleanup(func() {
			bulwark.Stop()
			bulwark = startOperator()
		})
		crowded := fixture.Namespace(UniqueName(), "nobody")
		for i := range 2_000 {
			crowded.Labels[fmt.Sprintf("many.example.com/label-%d", i)] = "x"
		}
		ExpectCreated(crowded)
		selects := func(key string, namespace *corev1.Namespace) {
			GinkgoHelper()
			profile := fixture.Profile(UniqueName(), fixture.OnlyNetwork)
			profile.Spec.NamespaceSelector = v1alpha1.NamespaceSelector{MatchLabels: map[string]string{key: "x"}}
			ExpectCreated(profile)
			EventuallyEstablished(profile, namespace.Name)
		}
		for range 3 {
			namespace := fixture.Namespace(UniqueName(), "nobody")
			namespace.Labels["own.example.com/"+namespace.Name] = "x"
			ExpectCreated(namespace)
			selects("own.example.com/"+namespace.Name, namespace)
		}
		before := watches.Load()
		selects("many.example.com/label-7", crowded)
		Expect(before).To(BeNumerically(">=", 1))
		Expect(watches.Load()).To(Equal(before))
		Expect(admin.Delete(ctx, crowded)).To(Succeed())
		EventuallyGone(crowded)
	})

	It("in a report is held up to what Bulwark could have written, and written anew", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		EventuallyQuiet()
		Update(ReportOn(Default, namespace), func(r *v1alpha1.NamespacePosture) {
			entry := v1alpha1.ManagedObject{
				ObjectReference: baseline.Reference(&rbacv1.Role{}),
				State:           v1alpha1.ObjectStateFailed,
				Message:         strings.Repeat("<", 1024),
			}
			r.Objects = append(r.Objects, slices.Repeat([]v1alpha1.ManagedObject{entry}, 150)...)
			r.Annotations = map[string]string{"long": strings.Repeat("x", 200<<10)}
		})
		Eventually(func(g Gomega) {
			report := ReportOn(g, namespace)
			g.Expect(posture.Size(report)).To(BeNumerically("<", 16<<10))
			g.Expect(report.Annotations).To(BeEmpty())
			g.Expect(report.IsReady()).To(BeTrue())
		}).Should(Succeed())
	})
})

// flood makes many small Roles that bear the labels.
func flood(namespace, profile string, n int) {
	GinkgoHelper()
	DeferCleanup(func() { Expect(admin.DeleteAllOf(ctx, &rbacv1.Role{}, client.InNamespace(namespace))).To(Succeed()) })
	for i := range n {
		ExpectCreated(&rbacv1.Role{ObjectMeta: objectMeta(namespace, fmt.Sprint("flood-", i), theirLabels(profile))})
	}
}

func kindOf(name string) *baseline.Kind {
	return &baseline.Kinds[slices.IndexFunc(baseline.Kinds, func(k baseline.Kind) bool { return k.Kind == name })]
}

func labelledRoles(namespace string) int {
	GinkgoHelper()
	var roles rbacv1.RoleList
	Expect(admin.List(ctx, &roles, client.InNamespace(namespace), client.HasLabels{v1alpha1.ProfileLabel})).To(Succeed())
	return len(roles.Items)
}

// tamperWith puts the content of a hostile object into one of the baseline, as far as it may be
// changed.
func tamperWith(o, by baseline.Object) {
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		o.Spec = by.(*networkingv1.NetworkPolicy).Spec
	case *corev1.LimitRange:
		o.Spec = by.(*corev1.LimitRange).Spec
	case *corev1.ResourceQuota:
		o.Spec.Hard = by.(*corev1.ResourceQuota).Spec.Hard
	case *rbacv1.Role:
		o.Rules = by.(*rbacv1.Role).Rules
		o.Annotations = by.GetAnnotations()
	case *rbacv1.RoleBinding:
		o.Subjects = by.(*rbacv1.RoleBinding).Subjects
	}
}
