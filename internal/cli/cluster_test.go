package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// cluster is a cluster that holds some profiles and namespaces, or answers with an error.
type cluster struct {
	client.Reader
	profiles   []v1alpha1.SecurityProfile
	namespaces []corev1.Namespace
	err        error

	allowed   bool
	reviewErr error
	reviews   []authorizationv1.SubjectAccessReviewSpec
}

func (c *cluster) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *v1alpha1.SecurityProfileList:
		l.Items = c.profiles
	case *corev1.NamespaceList:
		l.Items = c.namespaces
	}
	return c.err
}

// Create answers reviews of what users may do.
func (c *cluster) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	review := o.(*authorizationv1.SubjectAccessReview)
	c.reviews = append(c.reviews, review.Spec)
	review.Status.Allowed = c.allowed
	return c.reviewErr
}

func TestFromCluster(t *testing.T) {
	strict, lax := v1alpha1.SecurityProfile{}, v1alpha1.SecurityProfile{}
	strict.Name, lax.Name = "tags", "lax"
	strict.Spec.Images = &v1alpha1.Images{DenyTags: []string{"latest"}}
	strict.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "prod"}
	lax.Spec.Images = &v1alpha1.Images{DenyTags: []string{"none"}}
	lax.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "test"}
	shop := func(tier string) []corev1.Namespace {
		ns := corev1.Namespace{}
		ns.Name, ns.Labels = "shop", map[string]string{"tier": tier}
		return []corev1.Namespace{ns}
	}
	profiles := []v1alpha1.SecurityProfile{strict, lax}
	for sentence, tt := range map[string]struct {
		cluster cluster
		args    string
		code    int
		says    string
	}{
		"the labels of its namespaces decide": {cluster: cluster{profiles: profiles, namespaces: shop("prod")}, code: 2, says: denied},
		"and another profile has other rules": {cluster: cluster{profiles: profiles, namespaces: shop("test")}, says: "checked 1 objects: 0 findings"},
		"a profile of a file goes before that of its name": {
			cluster: cluster{profiles: profiles, namespaces: shop("prod")}, args: " --profile mine.yaml", says: "checked 1 objects: 0 findings",
		},
		"a manifest's labels go before the cluster's": {
			cluster: cluster{profiles: profiles, namespaces: shop("test")}, args: " -f ns.yaml", code: 2, says: denied,
		},
		"a cluster without Bulwark says so": {
			cluster: cluster{err: &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "SecurityProfile"}}}, code: 1, says: "is Bulwark installed there?",
		},
		"what cannot be read is an error": {
			cluster: cluster{err: errors.New("no route to host")}, code: 1, says: "--from-cluster: reading the SecurityProfiles: no route to host",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, "web.yaml", web, "mine.yaml", strings.Replace(tags, "latest", "other", 1),
				"ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: prod}}\n")
			d.cluster = &tt.cluster
			code, out, errs := d.run("check --from-cluster -f web.yaml" + tt.args)
			if code != tt.code || !strings.Contains(out+errs, tt.says) {
				t.Errorf("want %d %q, got %d %s%s", tt.code, tt.says, code, out, errs)
			}
		})
	}
}

// A policy that asks what a user may do is answered by the cluster. If that cannot be asked, the
// rule is neither kept nor broken: it is not judged.
func TestTheClusterSaysWhatUsersMayDo(t *testing.T) {
	p := v1alpha1.SecurityProfile{}
	p.Name = "guarded"
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "prod"}
	p.Spec.Protection = &v1alpha1.Protection{Tamper: "Forbid"}
	p.Spec.Images = &v1alpha1.Images{DenyTags: []string{"latest"}}
	const exposed = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: prod, resource.kubernetes.io/admin-access: \"true\"}}\n---\n"
	forbidden := errors.New(
		`subjectaccessreviews.authorization.k8s.io is forbidden: User "ci" cannot create resource "subjectaccessreviews"`,
	)
	for sentence, tt := range map[string]struct {
		cluster cluster
		args    string
		code    int
		says    []string
		denied  bool
	}{
		"who may is let through": {cluster: cluster{allowed: true}},
		"who may not is refused": {denied: true, code: 2},
		"as a group's member":    {cluster: cluster{allowed: true}, args: " --as dana --as-group admins"},
		"without a review it is unknown": {cluster: cluster{reviewErr: forbidden}, code: 1, says: []string{
			"error: Namespace shop: it is not known whether ValidatingAdmissionPolicy bulwark-guarded-tamper-namespaces refuses it: " +
				"asking the cluster whether kubernetes-admin may update securityprofiles.security.bulwark.dev guarded: " + forbidden.Error() + "\n",
		}},
		"and what else is wrong is said": {cluster: cluster{reviewErr: forbidden}, args: " -f web.yaml", code: 1, says: []string{"refuses it: ", "denyTags: container app"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := with(t, "ns.yaml", exposed, "web.yaml", web)
			tt.cluster.profiles = []v1alpha1.SecurityProfile{p}
			d.cluster = &tt.cluster
			code, out, errs := d.run("check --from-cluster -f ns.yaml" + tt.args)
			if code != tt.code || strings.Contains(out, "administrative access") != tt.denied {
				t.Errorf("want %d, got %d\n%s%s", tt.code, code, out, errs)
			}
			for _, words := range tt.says {
				if !strings.Contains(out+errs, words) {
					t.Errorf("want %q in\n%s%s", words, out, errs)
				}
			}
			if len(tt.cluster.reviews) != 1 {
				t.Errorf("one question is asked %d times", len(tt.cluster.reviews))
			} else if r := tt.cluster.reviews[0]; tt.args == " --as dana --as-group admins" && (r.User != "dana" || r.Groups[0] != "admins") {
				t.Errorf("it is asked of %+v", r)
			}
		})
	}
}
