package drift

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// difference is a drift in short: which object, how, and "path: want -> got" for each field.
type difference struct {
	Object  string
	Change  v1alpha1.DriftChange
	Fields  []string
	Foreign bool
}

func differences(drifts []Drift) []difference {
	var out []difference
	for _, d := range drifts {
		short := difference{Object: d.Object.Kind + "/" + d.Object.Name, Change: d.Change, Foreign: d.Foreign}
		for _, f := range d.Fields {
			short.Fields = append(short.Fields, f.String()+": "+f.Want+" -> "+f.Got)
		}
		out = append(out, short)
	}
	return out
}

func modified(object string, fields ...string) []difference {
	return []difference{{Object: object, Change: v1alpha1.DriftChangeModified, Fields: fields}}
}

func TestCompareSeesEachWayToTamper(t *testing.T) {
	const (
		policy = "NetworkPolicy/bulwark-default-deny"
		quota  = "ResourceQuota/bulwark-compute"
	)
	for sentence, tc := range map[string]struct {
		tamper func([]baseline.Object)
		want   []difference
	}{
		"a direction is dropped": {
			func(o []baseline.Object) { policyOf(o).Spec.PolicyTypes = []networkingv1.PolicyType{"Ingress"} },
			modified(policy, `spec.policyTypes: ["Ingress","Egress"] -> ["Ingress"]`),
		},
		"a rule that admits everything is added": {
			func(o []baseline.Object) { policyOf(o).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}} },
			modified(policy, `spec.ingress:  -> [{}]`),
		},
		"the policy is narrowed to other pods": {
			func(o []baseline.Object) {
				policyOf(o).Spec.PodSelector.MatchLabels = map[string]string{"example.com/no": "pod"}
			},
			modified(policy, `spec.podSelector.matchLabels[example.com/no]:  -> "pod"`),
		},
		"a wildcard rule is appended to a role": {
			func(o []baseline.Object) {
				roleOf(o).Rules = append(roleOf(o).Rules, rbacv1.PolicyRule{
					APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"},
				})
			},
			modified("Role/bulwark-developer",
				`rules: [{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}] -> `+
					`[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]},{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]`),
		},
		"a role loses its rules": {
			func(o []baseline.Object) { roleOf(o).Rules = nil },
			modified("Role/bulwark-developer", `rules: [{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}] -> `),
		},
		"a subject is appended to a binding": {
			func(o []baseline.Object) {
				bindingOf(o).Subjects = append(bindingOf(o).Subjects, rbacv1.Subject{Kind: "User", Name: "eve"})
			},
			modified("RoleBinding/bulwark-developer",
				`subjects: [{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"devs"}] -> `+
					`[{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"devs"},{"kind":"User","name":"eve"}]`),
		},
		"a binding is of another role": {
			func(o []baseline.Object) {
				bindingOf(o).RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"}
			},
			modified("RoleBinding/bulwark-developer",
				`roleRef.kind: "Role" -> "ClusterRole"`, `roleRef.name: "bulwark-developer" -> "admin"`),
		},
		"a quota is loosened, emptied and widened": {
			func(o []baseline.Object) {
				quotaOf(o).Spec.Hard = quantities("pods", "1k", "secrets", "5")
			},
			modified(quota,
				`spec.hard.pods: "10" -> "1k"`, `spec.hard[requests.cpu]: "1" -> `, `spec.hard.secrets:  -> "5"`),
		},
		"a quota's scopes are dropped": {
			func(o []baseline.Object) { quotaOf(o).Spec.Scopes = nil },
			modified(quota, `spec.scopes: ["NotTerminating"] -> `),
		},
		"a limit is raised": {
			func(o []baseline.Object) { limitsOf(o).Spec.Limits[0].Max = quantities("cpu", "64") },
			modified("LimitRange/bulwark-limits",
				`spec.limits: [{"type":"Container","max":{"cpu":"1"},"default":{"cpu":"1"},"defaultRequest":{"cpu":"1"}}] -> `+
					`[{"type":"Container","max":{"cpu":"64"},"default":{"cpu":"1"},"defaultRequest":{"cpu":"1"}}]`),
		},
		"default mounts its token": {
			func(o []baseline.Object) { *defaultAccountOf(o).AutomountServiceAccountToken = true },
			modified("ServiceAccount/default", `automountServiceAccountToken: false -> true`),
		},
		"default no longer says whether it mounts its token": {
			func(o []baseline.Object) { defaultAccountOf(o).AutomountServiceAccountToken = nil },
			modified("ServiceAccount/default", `automountServiceAccountToken: false -> `),
		},
		"the Pod Security level is lowered": {
			func(o []baseline.Object) {
				namespaceOf(o).Labels["pod-security.kubernetes.io/enforce"] = "privileged"
			},
			modified("Namespace/team-a", `metadata.labels[pod-security.kubernetes.io/enforce]: "restricted" -> "privileged"`),
		},
		"the namespace loses all its labels": {
			func(o []baseline.Object) { namespaceOf(o).Labels = nil },
			modified("Namespace/team-a",
				`metadata.labels[pod-security.kubernetes.io/enforce]: "restricted" -> `,
				`metadata.labels[pod-security.kubernetes.io/enforce-version]: "latest" -> `,
				`metadata.labels[security.bulwark.dev/profile]: "restricted" -> `),
		},
		"an exclusive object is deleted, and a finalizer holds it": {
			func(o []baseline.Object) {
				quotaOf(o).DeletionTimestamp, quotaOf(o).Finalizers = &metav1.Time{Time: time.Unix(1_700_000_000, 0).UTC()}, []string{"example.com/keep"}
			},
			modified(quota, `metadata.deletionTimestamp:  -> "2023-11-14T22:13:20Z"`),
		},
		"a declared service account is deleted, and a finalizer holds it": {
			func(o []baseline.Object) {
				accountOf(o).DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0).UTC()}
			},
			modified("ServiceAccount/bulwark-app", `metadata.deletionTimestamp:  -> "2023-11-14T22:13:20Z"`),
		},
		"an exclusive object is given another owner": {
			func(o []baseline.Object) {
				roleOf(o).OwnerReferences = append(roleOf(o).OwnerReferences, owner("v1", "ConfigMap", "x"))
			},
			modified("Role/bulwark-developer", `metadata.ownerReferences: [{"apiVersion":"security.bulwark.dev/v1alpha1",`+
				`"kind":"SecurityProfile","name":"restricted","uid":"uid-1","controller":true}] -> [{"apiVersion":"security.bulwark.dev/v1alpha1",`+
				`"kind":"SecurityProfile","name":"restricted","uid":"uid-1","controller":true},{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"uid-2","controller":true}]`),
		},
		"an exclusive object loses all its labels": {
			func(o []baseline.Object) { limitsOf(o).Labels = map[string]string{"team": "a"} },
			modified("LimitRange/bulwark-limits",
				`metadata.labels[app.kubernetes.io/managed-by]: "bulwark" -> `, `metadata.labels[security.bulwark.dev/profile]: "restricted" -> `),
		},
		"an exclusive object loses its owner": {
			func(o []baseline.Object) { roleOf(o).OwnerReferences = nil },
			modified("Role/bulwark-developer", `metadata.ownerReferences: [{"apiVersion":"security.bulwark.dev/v1alpha1",`+
				`"kind":"SecurityProfile","name":"restricted","uid":"uid-1","controller":true}] -> `),
		},
		"an exclusive object bears another profile's label": {
			func(o []baseline.Object) { roleOf(o).Labels[v1alpha1.ProfileLabel] = "lax" },
			modified("Role/bulwark-developer", `metadata.labels[security.bulwark.dev/profile]: "restricted" -> "lax"`),
		},
		"a declared service account loses a label that is ours": {
			func(o []baseline.Object) { delete(accountOf(o).Labels, v1alpha1.ProfileLabel) },
			modified("ServiceAccount/bulwark-app", `metadata.labels[security.bulwark.dev/profile]: "restricted" -> `),
		},
		"a declared service account loses its owner": {
			func(o []baseline.Object) { accountOf(o).OwnerReferences = nil },
			modified("ServiceAccount/bulwark-app", `metadata.ownerReferences: [{"apiVersion":"security.bulwark.dev/v1alpha1",`+
				`"kind":"SecurityProfile","name":"restricted","uid":"uid-1","controller":true}] -> `),
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			found := stored()
			tc.tamper(found)
			if diff := cmp.Diff(tc.want, differences(Compare(desired(), found, Ours))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareSeesNoDriftWhereNothingDiffers(t *testing.T) {
	for sentence, change := range map[string]func([]baseline.Object){
		"as stored":        func([]baseline.Object) {},
		"in another order": slices.Reverse[[]baseline.Object],
		"1000m is 1":       func(o []baseline.Object) { quotaOf(o).Spec.Hard = quantities("requests.cpu", "1000m", "pods", "0.01k") },
		"empty lists are none": func(o []baseline.Object) {
			policyOf(o).Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{}
			policyOf(o).Spec.Egress = []networkingv1.NetworkPolicyEgressRule{}
			policyOf(o).Spec.PodSelector.MatchLabels = map[string]string{}
			policyOf(o).Annotations = map[string]string{}
			policyOf(o).Finalizers = []string{}
		},
		"what a quota counts": func(o []baseline.Object) {
			quotaOf(o).Status = corev1.ResourceQuotaStatus{Hard: quantities("pods", "10"), Used: quantities("pods", "3")}
		},
		"when and as what it was stored": func(o []baseline.Object) {
			policyOf(o).CreationTimestamp = metav1.NewTime(time.Unix(1_700_000_000, 0))
			policyOf(o).TypeMeta = metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
		},
		"others' labels on an exclusive object": func(o []baseline.Object) { policyOf(o).Labels["team"] = "a" },
		"others' annotations on an exclusive object": func(o []baseline.Object) {
			policyOf(o).Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "x"}
		},
		"others' finalizers on exclusive objects": func(o []baseline.Object) {
			for _, exclusive := range []baseline.Object{policyOf(o), quotaOf(o), limitsOf(o), roleOf(o), bindingOf(o)} {
				exclusive.SetFinalizers([]string{"networking.k8s.aws/resources", "example.com/keep"})
			}
		},
		"others' metadata on the namespace": func(o []baseline.Object) {
			namespaceOf(o).Labels["team"] = "a"
			namespaceOf(o).Labels["pod-security.kubernetes.io/warn"] = "privileged"
			namespaceOf(o).Annotations = map[string]string{"team": "a"}
			namespaceOf(o).Finalizers = []string{"example.com/keep"}
			namespaceOf(o).OwnerReferences = []metav1.OwnerReference{owner("hnc.x-k8s.io/v1", "HierarchyConfiguration", "above")}
		},
		"the deletion of what comes with the namespace, which is not ours to undo": func(o []baseline.Object) {
			defaultAccountOf(o).DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)}
		},
		"others' fields on default": func(o []baseline.Object) {
			defaultAccountOf(o).Labels["team"] = "a"
			defaultAccountOf(o).Secrets = []corev1.ObjectReference{{Name: "token"}}
			defaultAccountOf(o).ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
			defaultAccountOf(o).OwnerReferences = []metav1.OwnerReference{owner(v1alpha1.GroupVersion.String(), "SecurityProfile", "x")}
		},
		"others' fields on a declared service account": func(o []baseline.Object) {
			accountOf(o).Labels["team"] = "a"
			accountOf(o).Annotations = map[string]string{"eks.amazonaws.com/role-arn": "arn"}
			accountOf(o).Finalizers = []string{"example.com/keep"}
			accountOf(o).OwnerReferences = append(accountOf(o).OwnerReferences, owner("v1", "ConfigMap", "x"))
			accountOf(o).Secrets = []corev1.ObjectReference{{Name: "token"}}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			found := stored()
			change(found)
			if got := differences(Compare(desired(), found, Ours)); got != nil {
				t.Errorf("got %v, want no drift", got)
			}
		})
	}
}

func TestCompareListsWhatIsMissingAndWhatIsUnexpected(t *testing.T) {
	want, found := desired(), stored()
	extra := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-old"}}
	namesake := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-limits"}}
	lost := map[string]bool{"bulwark-limits": true, "default": true}
	found = slices.DeleteFunc(found, func(o baseline.Object) bool { return lost[o.GetName()] })
	policyOf(found).Spec.PolicyTypes = nil
	found = append([]baseline.Object{namesake, extra}, found...)

	got := Compare(want, found, Ours)
	if diff := cmp.Diff([]difference{
		{
			Object: "NetworkPolicy/bulwark-default-deny",
			Change: v1alpha1.DriftChangeModified,
			Fields: []string{`spec.policyTypes: ["Ingress","Egress"] -> `},
		},
		{Object: "LimitRange/bulwark-limits", Change: v1alpha1.DriftChangeMissing},
		{Object: "ServiceAccount/default", Change: v1alpha1.DriftChangeModified, Fields: []string{
			"automountServiceAccountToken: false -> ", `metadata.labels[security.bulwark.dev/profile]: "restricted" -> `,
		}},
		{Object: "RoleBinding/bulwark-limits", Change: v1alpha1.DriftChangeUnexpected},
		{Object: "Role/bulwark-old", Change: v1alpha1.DriftChangeUnexpected},
	}, differences(got)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for i, sides := range []struct{ want, got baseline.Object }{
		{policyOf(want), policyOf(found)}, {limitsOf(want), nil}, {defaultAccountOf(want), nil}, {nil, namesake}, {nil, extra},
	} {
		if got[i].Want != sides.want || got[i].Got != sides.got {
			t.Errorf("%v does not hold the objects that were compared", differences(got)[i])
		}
	}
	if diff := cmp.Diff(reference("LimitRange", "bulwark-limits"), got[1].Object); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompareNeverChangesWhatItCompares(t *testing.T) {
	want, found := desired(), stored()
	namespaceOf(found).Labels["team"] = "a"
	accountOf(found).OwnerReferences = append(accountOf(found).OwnerReferences, owner("v1", "ConfigMap", "x"))
	policyOf(found).Labels["team"] = "a"
	wantBefore, foundBefore := copies(want), copies(found)
	Compare(want, found, Ours)
	if diff := cmp.Diff(wantBefore, want); diff != "" {
		t.Errorf("desired (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(foundBefore, found); diff != "" {
		t.Errorf("found (-before +after):\n%s", diff)
	}
}

func TestCompareTellsForeignObjects(t *testing.T) {
	nobodys := func(baseline.Object) bool { return false }
	want := []baseline.Object{
		namespaceOf(desired()),
		defaultAccountOf(desired()),
		accountOf(desired()),
		policyOf(desired()),
	}
	for sentence, tc := range map[string]struct {
		ours func(baseline.Object) bool
		want []difference
	}{
		"all are ours": {ours: func(baseline.Object) bool { return true }},
		"what comes with the namespace is never foreign, and an equal object of another maker is": {
			ours: nobodys,
			want: []difference{
				{Object: "ServiceAccount/bulwark-app", Change: v1alpha1.DriftChangeModified, Foreign: true},
				{Object: "NetworkPolicy/bulwark-default-deny", Change: v1alpha1.DriftChangeModified, Foreign: true},
			},
		},
		"the found object is asked about": {
			ours: func(o baseline.Object) bool { return o.GetResourceVersion() == "42" },
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, differences(Compare(want, copies(foundOf(want)), tc.ours))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func foundOf(want []baseline.Object) []baseline.Object {
	found := copies(want)
	for _, o := range found {
		o.SetResourceVersion("42")
	}
	return found
}
