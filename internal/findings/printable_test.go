package findings

import (
	"strings"
	"testing"
	"unicode/utf8"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

const hostileText = "jane\x1b[2J\nCritical\u202e\u2028\u009b"

func TestFindingsQuoteTheTextsOfOthers(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "restricted"}}
	profile.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "restricted"}
	long := strings.Repeat(hostileText, 200)
	replicaSet := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web", OwnerReferences: []metav1.OwnerReference{{
			APIVersion: long, Kind: long, Name: long, Controller: ptr.To(true),
		}}},
		Status: appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: FailedCreate,
			Message: `pods "web-1" is forbidden: violates PodSecurity "restricted:latest": ` + "host\x1b[2J" + `Namespaces`,
		}}},
	}
	shortage, short := ReplicaSetShortage(replicaSet)
	if !short {
		t.Fatal("the ReplicaSet lacks no pod")
	}
	binding, _ := BindingOf(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: hostileText},
		Subjects: []rbacv1.Subject{
			{Kind: "Group", Name: hostileText}, {Kind: "User", Name: hostileText},
			{Kind: "Group", Name: "system:serviceaccounts:" + hostileText},
		},
	})
	found := Judge(profile, "shop", &Facts{
		Bindings:     map[string]Binding{hostileText: binding},
		ClusterRoles: map[string]Powers{hostileText: {Names: []string{"access to Secrets"}}},
		Shortages:    map[string]Shortage{"web": shortage},
		Bound:        map[string]BoundRole{hostileText: {Permits: "delete on roles", Bindings: []string{"bulwark-viewers"}}},
	})
	ids := map[v1alpha1.FindingID]bool{}
	for _, f := range found {
		ids[f.ID] = true
		for _, text := range []string{f.Object.APIVersion, f.Object.Kind, f.Object.Name, f.Message, f.Remedy} {
			if !printable.Plain(text) {
				t.Errorf("%s says %q", f.ID, text)
			}
		}
		for text, most := range map[string]int{f.Object.APIVersion: 317, f.Object.Kind: 63, f.Object.Name: 253, f.Message: 1025, f.Remedy: 512} {
			if n := utf8.RuneCountInString(text); n > most {
				t.Errorf("%s says %d characters where the CRD takes %d: %s", f.ID, n, most, text)
			}
		}
		if again := Printable(f); again != f {
			t.Errorf("what is printable changes: %v, then %v", f, again)
		}
	}
	for _, id := range []v1alpha1.FindingID{
		v1alpha1.FindingIDPrivilegedBinding, v1alpha1.FindingIDBroadBinding, v1alpha1.FindingIDWorkloadNotAdmitted, v1alpha1.FindingIDForbiddenRulesBound,
	} {
		if !ids[id] {
			t.Errorf("%s is not found", id)
		}
	}
}

func TestABoundRoleIsFoundUnlessTheProfileIgnoresIt(t *testing.T) {
	facts := &Facts{
		Bound: map[string]BoundRole{"deployer": {Permits: "delete on roles", Bindings: []string{"bulwark-a", "bulwark-b"}}},
	}
	profile := &v1alpha1.SecurityProfile{}
	found := Judge(profile, "shop", facts)
	if len(found) != 1 || found[0].Severity != v1alpha1.SeverityHigh || found[0].Object.Name != "deployer" ||
		found[0].Object.Kind != "ClusterRole" ||
		found[0].Message != "it permits what a profile must not grant (delete on roles), and RoleBinding bulwark-a, bulwark-b of the profile gives it here" {
		t.Errorf("found %v", found)
	}
	profile.Spec.Findings = &v1alpha1.Findings{Ignore: []v1alpha1.FindingID{v1alpha1.FindingIDForbiddenRulesBound}}
	if found := Judge(profile, "shop", facts); len(found) > 0 {
		t.Errorf("found %v though it is ignored", found)
	}
}
