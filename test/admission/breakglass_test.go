package admission

import (
	"fmt"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// oddNames are names of users and groups that directories hold. A profile can name eight.
var oddNames = []string{
	`CORP\sre on call`,
	`CN=sre,OU=on call,DC=example`,
	`it's "urgent"`,
	`Zürich–Nacht 夜勤 🔥`,
	`a\\u0041\n`,
	`{{x}} ${y} %s *`,
	"\u2028\ufeff",
	`')] || true || g in ['`,
}

// testBreakGlassNames sends the names as those of the user and of a group of theirs. Who is named
// breaks glass, and whose name differs from it by a little does not.
func (s *suite) testBreakGlassNames(t *testing.T) {
	s.create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Name: "everybody-may",
		},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: user.AllAuthenticated}},
	})
	s.create(t, fixture.Namespace("odd", "odd"))
	profile := fixture.Profile("odd", fixture.OnlyNetwork)
	profile.Spec.Protection = &v1alpha1.Protection{
		Tamper:           v1alpha1.ProhibitionForbid,
		BreakGlassGroups: oddNames,
		BreakGlassUsers:  oddNames,
	}
	s.create(t, profile)
	s.apply(t, bulwark.Render(profile, bulwark.Cluster{Operator: controlplane.OperatorUser}))
	tampers := func(name string, groups ...string) error {
		c := s.bed.Impersonating(t, rest.ImpersonationConfig{UserName: name, Groups: append(groups, user.AllAuthenticated)})
		return c.Create(
			s.ctx,
			&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "odd", Name: "bulwark-mine"}},
			client.DryRunAll,
		)
	}
	eventually(t, "the policies of odd are in force", func() (bool, error) {
		err := tampers("somebody")
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), reserved), err
	})
	for i, name := range oddNames {
		for who, err := range map[string]error{
			"the user":              tampers(name),
			"a member of the group": tampers(fmt.Sprint("member-", i), name),
		} {
			if err != nil {
				t.Errorf("%s %q does not break glass: %v", who, name, err)
			}
		}
		for who, err := range map[string]error{
			"a user of nearly this name":              tampers(name + "x"),
			"a member of a group of nearly this name": tampers("somebody", "x"+name),
			"a user who is named as the start of it":  tampers(string([]rune(name)[:1])),
		} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s (%q) breaks glass: %v", who, name, err)
			}
		}
	}
}
