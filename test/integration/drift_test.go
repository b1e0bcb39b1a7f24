package integration

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// tamper is one way of a tenant with too many permissions to weaken a baseline.
type tamper struct {
	object func(namespace string) client.Object
	change func(client.Object)
	kind   string
	want   v1alpha1.DriftChange
	path   string
	// deletes is set where the object is deleted after the change.
	deletes bool
	// unattributed is set where managedFields cannot tell who did it: nobody owns a field that was
	// removed.
	unattributed bool
}

func named(o client.Object, name string) func(string) client.Object {
	return func(namespace string) client.Object {
		fresh := o.DeepCopyObject().(client.Object)
		fresh.SetName(name)
		fresh.SetNamespace(namespace)
		return fresh
	}
}

func theNamespace(name string) client.Object {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// asTenant is the field manager of what the specs do to a baseline.
const asTenant = client.FieldOwner("kubectl-edit")

func (t tamper) do(namespace string) {
	GinkgoHelper()
	o := t.object(namespace)
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
	if t.want == v1alpha1.DriftChangeMissing {
		Expect(admin.Delete(ctx, o)).To(Succeed())
		return
	}
	t.change(o)
	Expect(admin.Update(ctx, o, asTenant)).To(Succeed())
	if t.deletes {
		Expect(admin.Delete(ctx, o)).To(Succeed())
	}
}

var deny = named(&networkingv1.NetworkPolicy{}, "bulwark-default-deny")

var tampers = map[string]tamper{
	"deletes a policy": {object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeMissing},
	"drops a direction": {
		object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeModified, path: "spec.policyTypes",
		change: func(o client.Object) {
			o.(*networkingv1.NetworkPolicy).Spec.PolicyTypes = []networkingv1.PolicyType{"Ingress"}
		},
	},
	"appends a rule that lets everything in": {
		object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeModified, path: "spec.ingress",
		change: func(o client.Object) {
			o.(*networkingv1.NetworkPolicy).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
		},
	},
	"narrows a policy to other pods": {
		object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeModified, path: "spec.podSelector.matchLabels.no",
		change: func(o client.Object) {
			o.(*networkingv1.NetworkPolicy).Spec.PodSelector.MatchLabels = map[string]string{"no": "pod"}
		},
	},
	"loosens a quota": {
		object: named(
			&corev1.ResourceQuota{},
			"bulwark-compute",
		),
		kind: "ResourceQuota",
		want: v1alpha1.DriftChangeModified,
		path: "spec.hard.pods",
		change: func(o client.Object) {
			o.(*corev1.ResourceQuota).Spec.Hard[corev1.ResourcePods] = *resourceQuantity("1000")
		},
	},
	"loosens a limit": {
		object: named(
			&corev1.LimitRange{},
			"bulwark-limits",
		),
		kind: "LimitRange",
		want: v1alpha1.DriftChangeModified,
		path: "spec.limits",
		change: func(o client.Object) {
			o.(*corev1.LimitRange).Spec.Limits[0].Max[corev1.ResourceCPU] = *resourceQuantity("64")
		},
	},
	"adds a rule to a role": {
		object: named(&rbacv1.Role{}, "bulwark-developer"), kind: "Role", want: v1alpha1.DriftChangeModified, path: "rules",
		change: func(o client.Object) {
			role := o.(*rbacv1.Role)
			role.Rules = append(
				role.Rules,
				rbacv1.PolicyRule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}},
			)
		},
	},
	"adds a subject": {
		object: named(
			&rbacv1.RoleBinding{},
			"bulwark-developer",
		),
		kind: "RoleBinding",
		want: v1alpha1.DriftChangeModified,
		path: "subjects",
		change: func(o client.Object) {
			binding := o.(*rbacv1.RoleBinding)
			binding.Subjects = append(
				binding.Subjects,
				rbacv1.Subject{Kind: "User", Name: "mallory", APIGroup: rbacv1.GroupName},
			)
		},
	},
	"deletes a binding": {
		object: named(&rbacv1.RoleBinding{}, "bulwark-viewers"),
		kind:   "RoleBinding",
		want:   v1alpha1.DriftChangeMissing,
	},
	"relabels the namespace": {
		object: theNamespace, kind: "Namespace", want: v1alpha1.DriftChangeModified,
		path: "metadata.labels[pod-security.kubernetes.io/enforce]",
		change: func(o client.Object) {
			o.GetLabels()["pod-security.kubernetes.io/enforce"] = "privileged"
		},
	},
	"pins an old version of the level": {
		object: theNamespace, kind: "Namespace", want: v1alpha1.DriftChangeModified,
		path: "metadata.labels[pod-security.kubernetes.io/enforce-version]",
		change: func(o client.Object) {
			o.GetLabels()["pod-security.kubernetes.io/enforce-version"] = "v1.0"
		},
	},
	"removes a label of the namespace": {
		object: theNamespace, kind: "Namespace", want: v1alpha1.DriftChangeModified,
		path:         "metadata.labels[pod-security.kubernetes.io/enforce]",
		change:       func(o client.Object) { delete(o.GetLabels(), "pod-security.kubernetes.io/enforce") },
		unattributed: true,
	},
	"has the default token mounted again": {
		object: named(&corev1.ServiceAccount{}, "default"), kind: "ServiceAccount", want: v1alpha1.DriftChangeModified,
		path: "automountServiceAccountToken",
		change: func(o client.Object) {
			automount := true
			o.(*corev1.ServiceAccount).AutomountServiceAccountToken = &automount
		},
	},
	"strips our labels from the default service account and mounts its token": {
		object: named(&corev1.ServiceAccount{}, "default"), kind: "ServiceAccount", want: v1alpha1.DriftChangeModified,
		path: "automountServiceAccountToken",
		change: func(o client.Object) {
			automount := true
			o.(*corev1.ServiceAccount).AutomountServiceAccountToken = &automount
			o.SetLabels(nil)
		},
	},
	"deletes a service account": {
		object: named(&corev1.ServiceAccount{}, "bulwark-app"), kind: "ServiceAccount", want: v1alpha1.DriftChangeMissing,
	},
	"strips the owner": {
		object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeModified, path: "metadata.ownerReferences",
		change:       func(o client.Object) { o.SetOwnerReferences(nil) },
		unattributed: true,
	},
	"strips all that says whose it is, and opens it": {
		object: deny, kind: "NetworkPolicy", want: v1alpha1.DriftChangeModified, path: "spec.ingress",
		change: func(o client.Object) {
			o.SetLabels(nil)
			o.SetOwnerReferences(nil)
			o.(*networkingv1.NetworkPolicy).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
		},
	},
	"deletes a policy and holds the deletion by a finalizer": {
		object:       deny,
		kind:         "NetworkPolicy",
		want:         v1alpha1.DriftChangeModified,
		path:         "metadata.deletionTimestamp",
		deletes:      true,
		unattributed: true,
		change:       func(o client.Object) { o.SetFinalizers([]string{"example.com/stay"}) },
	},
	"deletes a role and holds the deletion by a finalizer": {
		object: named(
			&rbacv1.Role{},
			"bulwark-developer",
		),
		kind:         "Role",
		want:         v1alpha1.DriftChangeModified,
		path:         "metadata.deletionTimestamp",
		deletes:      true,
		unattributed: true,
		change:       func(o client.Object) { o.SetFinalizers([]string{"example.com/stay", "example.com/too"}) },
	},
	"deletes a service account and holds the deletion by a finalizer": {
		object: named(
			&corev1.ServiceAccount{},
			"bulwark-app",
		),
		kind:         "ServiceAccount",
		want:         v1alpha1.DriftChangeModified,
		path:         "metadata.deletionTimestamp",
		deletes:      true,
		unattributed: true,
		change:       func(o client.Object) { o.SetFinalizers([]string{"example.com/stay"}) },
	},
	"gives a quota to an owner who is gone": {
		object: named(
			&corev1.ResourceQuota{},
			"bulwark-compute",
		),
		kind: "ResourceQuota",
		want: v1alpha1.DriftChangeModified,
		path: "metadata.ownerReferences",
		change: func(o client.Object) {
			o.SetOwnerReferences(
				append(
					o.GetOwnerReferences(),
					metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "gone", UID: "gone"},
				),
			)
		},
	},
	"takes the label managed-by off": {
		object:       deny,
		kind:         "NetworkPolicy",
		want:         v1alpha1.DriftChangeModified,
		path:         "metadata.labels[app.kubernetes.io/managed-by]",
		change:       func(o client.Object) { delete(o.GetLabels(), v1alpha1.ManagedByLabel) },
		unattributed: true,
	},
}

var _ = Describe("Drift", func() {
	for sentence, t := range tampers {
		It("is found, reported and undone when somebody "+sentence, func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)

			t.do(namespace)

			entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool {
				return e.Object.Kind == t.kind && e.Change == t.want && e.State == v1alpha1.DriftStateCorrected
			})
			Expect(entry.Object.Name).To(Equal(t.object(namespace).GetName()))
			Expect(entry.ObservedAt.Time).NotTo(BeZero())
			if t.path != "" {
				if t.unattributed {
					Expect(entry.Manager).To(BeEmpty())
				} else {
					Expect(entry.Manager).To(Equal(string(asTenant)))
				}
				Expect(entry.Fields).To(ContainElement(HaveField("Path", t.path)))
			}
			EventuallyEstablished(profile, namespace)
			entry.Namespace = namespace // The report need not say which: it is in it.
			Eventually(func(g Gomega) {
				g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(profile), profile)).To(Succeed())
				g.Expect(profile.Status.Drift).To(ContainElement(entry))
				g.Expect(profile.Status.DriftTotal).To(BeNumerically(">=", 1))
			}).Should(Succeed())
		})
	}

	It("tells what was wanted and what was found", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		tampers["drops a direction"].do(namespace)
		entry := EventuallyDrift(namespace, func(e v1alpha1.DriftEntry) bool { return e.Object.Kind == "NetworkPolicy" })
		Expect(entry.Fields).To(ConsistOf(v1alpha1.FieldDrift{
			Path: "spec.policyTypes", Want: `["Ingress","Egress"]`, Got: `["Ingress"]`,
		}))
	})

	It("is what bears our labels and is not of the baseline", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		forged := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "bulwark-forged",
			Labels: map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ProfileLabel: profile.Name},
		}}
		Expect(admin.Create(ctx, forged, asTenant)).To(Succeed())
		EventuallyGone(forged)
		entry := EventuallyDrift(
			namespace,
			func(e v1alpha1.DriftEntry) bool { return e.Change == v1alpha1.DriftChangeUnexpected },
		)
		Expect(entry.Object.Name).To(Equal("bulwark-forged"))
		Expect(entry.Manager).To(Equal(string(asTenant)))
		Expect(entry.State).To(Equal(v1alpha1.DriftStateCorrected))
	})

	DescribeTable(
		"is also what bears a name that no report can hold",
		func(change func(*v1alpha1.SecurityProfile), state v1alpha1.DriftState) {
			profile, namespace := Governed(change)
			EventuallyReported(profile, namespace)
			forged := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace,
				Name:      strings.Repeat("ö", 2000),
				Labels:    map[string]string{v1alpha1.ProfileLabel: profile.Name},
			}}
			Expect(admin.Create(ctx, forged, asTenant)).To(Succeed())
			entry := EventuallyDrift(
				namespace,
				func(e v1alpha1.DriftEntry) bool { return e.Change == v1alpha1.DriftChangeUnexpected },
			)
			Expect(entry.State).To(Equal(state))
			Expect(entry.Object).To(Equal(baseline.Reference(forged)))
			Expect(entry.Object.Name).To(HavePrefix(strings.Repeat("ö", 200)))
			if state == v1alpha1.DriftStateCorrected {
				EventuallyGone(forged)
				EventuallyEstablished(profile, namespace)
			} else {
				EventuallyObject(namespace, "Role", entry.Object.Name, v1alpha1.ObjectStateDrifted)
			}
		},
		Entry("and goes", fixture.OnlyNetwork, v1alpha1.DriftStateCorrected),
		Entry("and is reported by an audit", fixture.Audited, v1alpha1.DriftStatePresent),
	)

	It(
		"is undone when a binding is put in the place of ours, unlabelled and to another role, and so is what comes after",
		func() {
			profile, namespace := Governed()
			EventuallyEstablished(profile, namespace)
			binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-viewers"}}
			Eventually(func() error { // Faster than the operator, sooner or later.
				if err := admin.Delete(ctx, binding.DeepCopy()); client.IgnoreNotFound(err) != nil {
					return err
				}
				return admin.Create(ctx, &rbacv1.RoleBinding{
					ObjectMeta: *binding.ObjectMeta.DeepCopy(),
					RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
					Subjects:   []rbacv1.Subject{{Kind: "User", Name: "mallory", APIGroup: rbacv1.GroupName}},
				}, asTenant)
			}).Should(Succeed())
			EventuallyEstablished(profile, namespace)
			tampers["deletes a binding"].do(namespace)
			EventuallyEstablished(profile, namespace)
		},
	)

	It("does not last for a finalizer that a tenant puts on what must go", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		forged := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "forged", Finalizers: []string{"example.com/stay"},
			Labels: map[string]string{v1alpha1.ProfileLabel: profile.Name},
		}}
		Expect(admin.Create(ctx, forged, asTenant)).To(Succeed())
		EventuallyGone(forged)
	})

	It("of the report itself is undone", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		report := ReportOn(Default, namespace)
		Expect(admin.Delete(ctx, report)).To(Succeed())
		EventuallyEstablished(profile, namespace)
		Update(report, func(r *v1alpha1.NamespacePosture) { r.Status, r.Profile = fixture.Ready(false), "forged" })
		EventuallyEstablished(profile, namespace)
		Expect(ReportOn(Default, namespace).Profile).To(Equal(profile.Name))
	})

	It("does not reach what tenants own", func() {
		profile, namespace := Governed()
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tenants-own"}}
		Expect(admin.Create(ctx, policy)).To(Succeed())
		Update(theNamespace(namespace), func(o client.Object) { o.GetLabels()["cost-center"] = "42" })
		tampers["relabels the namespace"].do(namespace)
		EventuallyEstablished(profile, namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(policy), policy)).To(Succeed())
		ns := theNamespace(namespace)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(ns), ns)).To(Succeed())
		Expect(ns.GetLabels()).To(HaveKeyWithValue("cost-center", "42"))
	})

	It("is told by events on the namespace and on the profile, once", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		tampers["loosens a quota"].do(namespace)
		for kind, name := range map[string]string{"Namespace": namespace, "SecurityProfile": profile.Name} {
			Eventually(func() []string { return eventReasons(kind, name) }).Should(ContainElements(
				v1alpha1.EventDrift, v1alpha1.EventCorrected))
			Consistently(func() []string { return eventReasons(kind, name) }).Should(HaveLen(2))
		}
	})

	It("is told by an event, though there is more to tell than an event may hold", func() {
		profile, namespace := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(profile, namespace)
		policy := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
		}
		Update(policy, func(p *networkingv1.NetworkPolicy) {
			p.Spec.PodSelector.MatchLabels = map[string]string{}
			for i := range 10 {
				p.Spec.PodSelector.MatchLabels[strings.Repeat("example.", 25)+fmt.Sprintf("com/%d", i)] = "no"
			}
		})
		for kind, name := range map[string]string{"Namespace": namespace, "SecurityProfile": profile.Name} {
			Eventually(func() []string { return eventReasons(kind, name) }).Should(ContainElement(v1alpha1.EventDrift))
		}
	})

	It("is counted by metrics", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		tampers["drops a direction"].do(namespace)
		Eventually(func() float64 {
			return metric("bulwark_corrections_total", "profile", profile.Name, "kind", "NetworkPolicy")
		}).Should(Equal(1.0))
		Expect(metric("bulwark_drift_total", "profile", profile.Name, "change", "Modified")).To(Equal(1.0))
		Eventually(func() float64 { // The status of a profile is summed once a second at most.
			return metric("bulwark_namespaces", "profile", profile.Name, "state", "selected")
		}).Should(Equal(1.0))
		Expect(metric("bulwark_correction_duration_seconds")).To(BeNumerically(">", 0))
	})
})
