package offline

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// TestWhomTamperProtectionLetsPass deletes a part of a baseline as users of whom the API server
// says this and that.
func TestWhomTamperProtectionLetsPass(t *testing.T) {
	const (
		operator  = "system:serviceaccount:bulwark-system:bulwark-manager"
		collector = "system:serviceaccount:kube-system:generic-garbage-collector"
		uid       = "b6c5b1de-5a4a-4f5e-8c2b-000000000001"
	)
	type who = user.DefaultInfo
	token := map[string][]string{user.CredentialIDKey: {"JTI=1"}}
	empty := map[string][]string{user.CredentialIDKey: {}}
	full := bulwark.Proof{UID: uid, Credential: true}
	certificate, old := bulwark.Proof{Credential: true}, bulwark.Proof{UID: uid}
	for name, tt := range map[string]struct {
		proof  bulwark.Proof
		user   user.DefaultInfo
		passes bool
	}{
		"the operator by its token":                             {full, who{Name: operator, UID: uid, Extra: token}, true},
		"the operator's name alone":                             {full, who{Name: operator}, false},
		"the operator's name and uid":                           {full, who{Name: operator, UID: uid}, false},
		"the operator's name and a credential":                  {full, who{Name: operator, Extra: token}, false},
		"the operator's name, another's uid and a credential":   {full, who{Name: operator, UID: "2", Extra: token}, false},
		"the operator's name and uid, and no value":             {full, who{Name: operator, UID: uid, Extra: empty}, false},
		"another name, and the operator's uid":                  {full, who{Name: operator + "2", UID: uid, Extra: token}, false},
		"an operator with a certificate":                        {certificate, who{Name: operator, Extra: token}, true},
		"its name alone":                                        {certificate, who{Name: operator}, false},
		"an operator with a token of the old kind":              {old, who{Name: operator, UID: uid}, true},
		"its name alone, too":                                   {old, who{Name: operator}, false},
		"an operator of which nothing else is known":            {bulwark.Proof{}, who{Name: operator}, true},
		"a controller by its token":                             {full, who{Name: collector, UID: "3", Extra: token}, true},
		"a controller's name alone":                             {full, who{Name: collector}, false},
		"a controller's name and a uid":                         {full, who{Name: collector, UID: "3"}, false},
		"a controller's name and a credential":                  {full, who{Name: collector, Extra: token}, false},
		"a controller where the API server names no credential": {old, who{Name: collector}, true},
		"kube-controller-manager by its certificate":            {full, who{Name: user.KubeControllerManager, Extra: token}, true},
		"kube-controller-manager by a token file":               {full, who{Name: user.KubeControllerManager, UID: "4"}, true},
		"kube-controller-manager's name alone":                  {full, who{Name: user.KubeControllerManager}, false},
		"the API server by its own client":                      {full, who{Name: user.APIServerUser, UID: "5"}, true},
		"the API server's name alone":                           {full, who{Name: user.APIServerUser}, false},
	} {
		t.Run(name, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
			profile.Spec.Protection = &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
			e, err := New(profile, bulwark.Cluster{Operator: operator, Proof: tt.proof})
			if err != nil {
				t.Fatal(err)
			}
			quota := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ResourceQuota"}}
			quota.SetName("bulwark-compute")
			quota.SetNamespace("shop")
			quota.SetLabels(map[string]string{v1alpha1.ProfileLabel: "p"})
			violations, err := e.Evaluate(t.Context(), Request{
				OldObject: quota, User: &tt.user, Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if passes := len(violations) == 0; passes != tt.passes {
				t.Errorf("want that it passes: %t, got %v", tt.passes, violations)
			}
		})
	}
}
