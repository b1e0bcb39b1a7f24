package attack

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// tenant is somebody who attacks.
type tenant struct {
	title  string // as the documentation calls them
	user   string
	groups []string
}

var (
	// mallory is given far too much in shop and annex.
	mallory = tenant{title: "a namespace's administrator", user: "mallory"}
	// dev has the ClusterRole edit in shop.
	dev = tenant{title: "a developer (edit)", user: "dev"}
	// robot is a service account with the ClusterRole edit in shop.
	robot = serviceAccount("a service account (edit)", shop, "ci")
	// creator may do to namespaces whatever there is to do, and in each of them what mallory may.
	creator = tenant{title: "a creator of namespaces", user: "creator"}
	// rescuer is a cluster administrator of a break-glass group.
	rescuer = tenant{title: "a member of a break-glass group", user: "rescuer", groups: []string{breakGlass}}
	// labeller may do to namespaces whatever there is to do but delete them.
	labeller = tenant{title: "who may change namespaces and not delete them", user: "labeller"}
	// owner may write SecurityProfiles and namespaces.
	owner = tenant{title: "the profile's owner", user: "owner"}
)

const breakGlass = "break-glass"

func serviceAccount(title, namespace, name string) tenant {
	return tenant{
		title: title, user: "system:serviceaccount:" + namespace + ":" + name,
		groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace},
	}
}

// client is one that the API server takes for the tenant.
func (t tenant) client() client.Client {
	GinkgoHelper()
	return bed.Impersonating(
		GinkgoTB(),
		rest.ImpersonationConfig{UserName: t.user, Groups: append([]string{"system:authenticated"}, t.groups...)},
	)
}

// subject is who a binding grants something to.
func (t tenant) subject() rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: t.user}
}

// everyVerb is * without escalate and bind, which would lift RBAC's own bounds.
var everyVerb = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

// tooMuch are the permissions that documentation says not to give.
var tooMuch = []rbacv1.PolicyRule{
	{
		APIGroups: []string{""},
		Verbs:     everyVerb,
		Resources: []string{
			"limitranges",
			"resourcequotas",
			"resourcequotas/status",
			"serviceaccounts",
			"pods/resize",
			"pods/ephemeralcontainers",
		},
	},
	{APIGroups: []string{"networking.k8s.io"}, Verbs: everyVerb, Resources: []string{"networkpolicies"}},
	{APIGroups: []string{"rbac.authorization.k8s.io"}, Verbs: everyVerb, Resources: []string{"roles", "rolebindings"}},
	{APIGroups: []string{v1alpha1.GroupVersion.Group}, Verbs: everyVerb, Resources: []string{"namespacepostures"}},
}

// grantTooMuch gives each tenant their permissions.
func grantTooMuch() {
	GinkgoHelper()
	clusterRole := func(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
		return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	}
	everywhere := func(t tenant, role string) *rbacv1.ClusterRoleBinding {
		return &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: t.user + "-" + role}, Subjects: []rbacv1.Subject{t.subject()},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		}
	}
	objects := []client.Object{
		clusterRole("too-much", tooMuch...),
		clusterRole("namespaces", rbacv1.PolicyRule{
			APIGroups: []string{
				"",
			},
			Verbs:     everyVerb,
			Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"},
		}),
		clusterRole("namespaces-but-delete", rbacv1.PolicyRule{
			APIGroups: []string{""}, Verbs: []string{"get", "list", "watch", "create", "update", "patch"},
			Resources: []string{"namespaces", "namespaces/status", "namespaces/finalize"},
		}),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "ci"}},
		bound(dev, shop, "edit"), bound(robot, shop, "edit"),
		everywhere(creator, "namespaces"), everywhere(creator, "admin"), everywhere(creator, "too-much"),
		everywhere(labeller, "namespaces-but-delete"),
		everywhere(rescuer, "cluster-admin"),
		everywhere(author, "bulwark-profile-editor"),
		everywhere(owner, "namespaces"), everywhere(owner, "bulwark-profile-editor"),
	}
	for _, namespace := range []string{shop, annex} {
		objects = append(objects, bound(mallory, namespace, "admin"), bound(mallory, namespace, "too-much"))
	}
	for _, o := range objects {
		Expect(admin.Create(ctx, o)).To(Succeed())
	}
}

// bound grants a tenant a ClusterRole in a namespace.
func bound(t tenant, namespace, role string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:    namespace,
			GenerateName: role + "-",
		},
		Subjects: []rbacv1.Subject{t.subject()},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
}
