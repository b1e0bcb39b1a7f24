package findings

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

type list = []string

// allowing is a rule of the core group.
func allowing(resource string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: list{""}, Resources: list{resource}, Verbs: verbs}
}

func TestPowersOfARole(t *testing.T) {
	total := func(name string) Powers { return Powers{Total: true, Names: list{name}} }
	some := func(name string) Powers { return Powers{Names: list{name}} }
	for sentence, tc := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  Powers
	}{
		"no rule gives nothing":                          {},
		"reading pods is harmless":                       {rules: []rbacv1.PolicyRule{allowing("pods", "get", "list", "watch")}},
		"every verb is a wildcard":                       {[]rbacv1.PolicyRule{allowing("configmaps", "*")}, total("wildcards")},
		"every resource is a wildcard":                   {[]rbacv1.PolicyRule{allowing("*", "get")}, total("wildcards")},
		"every group is a wildcard":                      {[]rbacv1.PolicyRule{{APIGroups: list{"*"}, Resources: list{"secrets"}, Verbs: list{"get"}}}, total("wildcards")},
		"to escalate is to have all":                     {[]rbacv1.PolicyRule{{APIGroups: list{"rbac.authorization.k8s.io"}, Resources: list{"roles"}, Verbs: list{"escalate"}}}, total("escalate")},
		"to bind is to have all":                         {[]rbacv1.PolicyRule{{APIGroups: list{"rbac.authorization.k8s.io"}, Resources: list{"roles"}, Verbs: list{"bind"}}}, total("bind")},
		"to impersonate is to have all":                  {[]rbacv1.PolicyRule{allowing("serviceaccounts", "impersonate")}, total("impersonate")},
		"to impersonate in one mode is, too":             {[]rbacv1.PolicyRule{allowing("serviceaccounts", "impersonate:serviceaccount")}, total("impersonate")},
		"to make tokens is to have all":                  {[]rbacv1.PolicyRule{allowing("serviceaccounts/token", "create")}, total("tokens of ServiceAccounts")},
		"to make any subresource named token is, too":    {[]rbacv1.PolicyRule{allowing("*/token", "create")}, total("tokens of ServiceAccounts")},
		"to read tokens is not a thing":                  {rules: []rbacv1.PolicyRule{allowing("serviceaccounts/token", "get")}},
		"Secrets can be got":                             {[]rbacv1.PolicyRule{allowing("secrets", "get")}, some("access to Secrets")},
		"Secrets can be listed":                          {[]rbacv1.PolicyRule{allowing("secrets", "list")}, some("access to Secrets")},
		"Secrets can be watched":                         {[]rbacv1.PolicyRule{allowing("secrets", "watch")}, some("access to Secrets")},
		"Secrets can be updated":                         {[]rbacv1.PolicyRule{allowing("secrets", "update")}, some("access to Secrets")},
		"Secrets can be patched":                         {[]rbacv1.PolicyRule{allowing("secrets", "patch")}, some("access to Secrets")},
		"to make or delete Secrets shows none":           {rules: []rbacv1.PolicyRule{allowing("secrets", "create", "delete", "deletecollection")}},
		"secrets of another group are none":              {rules: []rbacv1.PolicyRule{{APIGroups: list{"example.com"}, Resources: list{"secrets"}, Verbs: list{"get"}}}},
		"one rule of several is enough":                  {[]rbacv1.PolicyRule{allowing("pods", "get"), allowing("secrets", "get")}, some("access to Secrets")},
		"verbs and resources of two rules are not added": {rules: []rbacv1.PolicyRule{allowing("pods", "get"), allowing("secrets", "create")}},
		"exec by creating":                               {[]rbacv1.PolicyRule{allowing("pods/exec", "create")}, some("exec into Pods")},
		"exec by getting, as websockets did":             {[]rbacv1.PolicyRule{allowing("pods/exec", "get")}, Powers{ByGet: list{"exec into Pods"}}},
		"exec of any resource":                           {[]rbacv1.PolicyRule{allowing("*/exec", "create")}, some("exec into Pods")},
		"attach by creating":                             {[]rbacv1.PolicyRule{allowing("pods/attach", "create")}, some("attach to Pods")},
		"attach by getting":                              {[]rbacv1.PolicyRule{allowing("pods/attach", "get")}, Powers{ByGet: list{"attach to Pods"}}},
		"ephemeral containers by patching":               {[]rbacv1.PolicyRule{allowing("pods/ephemeralcontainers", "patch")}, some("containers added to Pods")},
		"ephemeral containers by updating":               {[]rbacv1.PolicyRule{allowing("pods/ephemeralcontainers", "update")}, some("containers added to Pods")},
		"to see ephemeral containers adds none":          {rules: []rbacv1.PolicyRule{allowing("pods/ephemeralcontainers", "get")}},
		"logs are harmless":                              {rules: []rbacv1.PolicyRule{allowing("pods/log", "get")}},
		"each power is named once, in one order": {
			[]rbacv1.PolicyRule{allowing("pods/exec", "create"), allowing("secrets", "get", "list"), allowing("secrets", "get"), allowing("roles", "bind")},
			Powers{Total: true, Names: list{"bind", "access to Secrets", "exec into Pods"}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, found := RoleOf(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "cluster-admin"}, Rules: tc.rules})
			if diff := cmp.Diff(tc.want, got); diff != "" || found != (len(tc.want.Names)+len(tc.want.ByGet) > 0) {
				t.Errorf("found %t (-want +got):\n%s", found, diff)
			}
			clusterWide, found := ClusterRoleOf(
				&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "view"}, Rules: tc.rules},
			)
			if diff := cmp.Diff(tc.want, clusterWide); diff != "" || found != (len(tc.want.Names)+len(tc.want.ByGet) > 0) {
				t.Errorf("of a ClusterRole: found %t (-want +got):\n%s", found, diff)
			}
		})
	}
}

func TestClusterRolesOfKubernetesHaveTheirPowersByName(t *testing.T) {
	for name, want := range map[string]Powers{
		"cluster-admin": {Total: true, Names: list{"cluster-admin"}},
		"admin":         {Total: true, Names: list{"admin"}},
		"edit":          {Names: list{"edit"}},
		"view":          {},
		"Admin":         {},
	} {
		got, found := ClusterRoleOf(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if diff := cmp.Diff(want, got); diff != "" || found != (len(want.Names) > 0) {
			t.Errorf("%s: found %t (-want +got):\n%s", name, found, diff)
		}
	}
}

func TestBindingOf(t *testing.T) {
	rb := &rbacv1.RoleBinding{RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "r"}}
	if got, found := BindingOf(rb); found {
		t.Errorf("what binds nobody: %v", got)
	}
	rb.Subjects = []rbacv1.Subject{{Kind: "User", Name: "ann"}}
	want := Binding{RoleKind: "Role", Role: "r", Subjects: rb.Subjects}
	if got, found := BindingOf(rb); !found || cmp.Diff(want, got) != "" {
		t.Errorf("found %t (-want +got):\n%s", found, cmp.Diff(want, got))
	}
}

func aUser(name string) rbacv1.Subject  { return rbacv1.Subject{Kind: "User", Name: name} }
func aGroup(name string) rbacv1.Subject { return rbacv1.Subject{Kind: "Group", Name: name} }
func anAccount(namespace, name string) rbacv1.Subject {
	return rbacv1.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name}
}

func TestBroadBinding(t *testing.T) {
	for sentence, tc := range map[string]struct {
		subjects []rbacv1.Subject
		want     v1alpha1.Severity
		everyone string
	}{
		"a user is somebody":                                  {subjects: []rbacv1.Subject{aUser("ann")}},
		"a group is somebody":                                 {subjects: []rbacv1.Subject{aGroup("developers")}},
		"a ServiceAccount is somebody":                        {subjects: []rbacv1.Subject{anAccount("team-a", "system:authenticated"), anAccount("other", "default")}},
		"the anonymous user is everybody":                     {[]rbacv1.Subject{aUser("system:anonymous")}, "Critical", "system:anonymous"},
		"who is not authenticated is everybody":               {[]rbacv1.Subject{aGroup("system:unauthenticated")}, "Critical", "system:unauthenticated"},
		"who is authenticated is everybody":                   {[]rbacv1.Subject{aGroup("system:authenticated")}, "High", "system:authenticated"},
		"all ServiceAccounts are everybody":                   {[]rbacv1.Subject{aGroup("system:serviceaccounts")}, "High", "system:serviceaccounts"},
		"those of another namespace are a part of everybody":  {[]rbacv1.Subject{aGroup("system:serviceaccounts:other")}, "Medium", "system:serviceaccounts:other"},
		"those of the namespace itself are a smaller part":    {[]rbacv1.Subject{aGroup("system:serviceaccounts:team-a")}, "Low", "system:serviceaccounts:team-a"},
		"a group of the anonymous user's name is somebody":    {subjects: []rbacv1.Subject{aGroup("system:anonymous")}},
		"a user of the name of everybody's group is somebody": {subjects: []rbacv1.Subject{aUser("system:authenticated"), aUser("system:serviceaccounts")}},
		"the broadest of several decides": {
			[]rbacv1.Subject{aGroup("system:serviceaccounts:team-a"), aUser("ann"), aGroup("system:unauthenticated"), aGroup("system:authenticated")},
			"Critical", "system:serviceaccounts:team-a, system:unauthenticated, system:authenticated",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var want []v1alpha1.Finding
			if tc.want != "" {
				want = []v1alpha1.Finding{{
					ID: "BroadBinding", Severity: tc.want, Message: "ClusterRole view is given to " + tc.everyone,
					Object: v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Name: "b"},
					Remedy: "bind the role to the users, groups or ServiceAccounts that need it, or delete the binding",
				}}
			}
			got := judged(
				v1alpha1.SecurityProfileSpec{},
				Facts{Bindings: map[string]Binding{"b": {RoleKind: "ClusterRole", Role: "view", Subjects: tc.subjects}}},
			)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrivilegedBinding(t *testing.T) {
	declared := &v1alpha1.RBAC{
		Roles: []v1alpha1.Role{{Name: "developer", Subjects: []v1alpha1.Subject{{Kind: "User", Name: "ann"}}}},
		Bindings: []v1alpha1.RoleBinding{
			{
				Name:        "editors",
				ClusterRole: "edit",
				Subjects: []v1alpha1.Subject{
					{Kind: "User", Name: "ann"},
					{Kind: "Group", Name: "devs"},
					{Kind: "ServiceAccount", Name: "ci"},
				},
			},
		},
	}
	binding := func(kind, role string, subjects ...rbacv1.Subject) Binding {
		return Binding{RoleKind: kind, Role: role, Subjects: subjects}
	}
	for sentence, tc := range map[string]struct {
		rbac    *v1alpha1.RBAC
		binding Binding
		want    v1alpha1.Severity
		message string
	}{
		"a role that is harmless is":                        {binding: binding("ClusterRole", "view", aUser("eve"))},
		"a role that is not there gives nothing":            {binding: binding("Role", "missing", aUser("eve"))},
		"a ClusterRole that is not there gives nothing":     {binding: binding("ClusterRole", "missing", aUser("eve"))},
		"total power is critical":                           {nil, binding("ClusterRole", "admin", aUser("eve")), "Critical", "ClusterRole admin (admin) is given to eve, and not by the profile"},
		"some power is high":                                {nil, binding("Role", "reader", aUser("eve")), "High", "Role reader (access to Secrets) is given to eve, and not by the profile"},
		"a ClusterRole of a Role's name is another":         {binding: binding("ClusterRole", "reader", aUser("eve"))},
		"a Role of a ClusterRole's name is another":         {binding: binding("Role", "admin", aUser("eve"))},
		"a Role and a ClusterRole of one name: the Role":    {nil, binding("Role", "edit", aUser("eve")), "Critical", "Role edit (wildcards) is given to eve, and not by the profile"},
		"the namespace's ServiceAccounts are less grave":    {nil, binding("ClusterRole", "admin", anAccount("team-a", "ci")), "High", "ClusterRole admin (admin) is given to system:serviceaccount:team-a:ci, and not by the profile"},
		"without a namespace they are the namespace's":      {nil, binding("Role", "reader", anAccount("", "ci")), "Medium", "Role reader (access to Secrets) is given to system:serviceaccount:team-a:ci, and not by the profile"},
		"those of another namespace are as grave":           {nil, binding("Role", "reader", anAccount("other", "ci")), "High", "Role reader (access to Secrets) is given to system:serviceaccount:other:ci, and not by the profile"},
		"one who is not local makes all as grave":           {nil, binding("Role", "reader", anAccount("team-a", "ci"), aGroup("devs")), "High", "Role reader (access to Secrets) is given to system:serviceaccount:team-a:ci, Group devs, and not by the profile"},
		"what the profile gives is not given again":         {rbac: declared, binding: binding("ClusterRole", "edit", aUser("ann"), aGroup("devs"))},
		"a ServiceAccount can be declared without a home":   {rbac: declared, binding: binding("ClusterRole", "edit", anAccount("team-a", "ci"), aUser("system:serviceaccount:team-a:ci"))},
		"its namesake of another namespace is another":      {declared, binding("ClusterRole", "edit", anAccount("other", "ci")), "High", "ClusterRole edit (edit) is given to system:serviceaccount:other:ci, and not by the profile"},
		"a group of a user's name is another":               {declared, binding("ClusterRole", "edit", aGroup("ann")), "High", "ClusterRole edit (edit) is given to Group ann, and not by the profile"},
		"only who is not declared is named":                 {declared, binding("ClusterRole", "edit", aUser("ann"), aUser("eve")), "High", "ClusterRole edit (edit) is given to eve, and not by the profile"},
		"another role is not declared":                      {declared, binding("ClusterRole", "admin", aUser("ann")), "Critical", "ClusterRole admin (admin) is given to ann, and not by the profile"},
		"a Role of the declared ClusterRole's name isn't":   {declared, binding("Role", "edit", aUser("ann")), "Critical", "Role edit (wildcards) is given to ann, and not by the profile"},
		"the profile's own Role can be bound to whom it is": {rbac: declared, binding: binding("Role", "bulwark-developer", aUser("ann"))},
		"and to nobody else":                                {declared, binding("Role", "bulwark-developer", aUser("eve")), "High", "Role bulwark-developer (exec into Pods) is given to eve, and not by the profile"},
		"where the declared one is local, the others count": {declared, binding("ClusterRole", "edit", aUser("ann"), anAccount("", "other")), "Medium", "ClusterRole edit (edit) is given to system:serviceaccount:team-a:other, and not by the profile"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var want []v1alpha1.Finding
			if tc.want != "" {
				want = []v1alpha1.Finding{
					{
						ID:       "PrivilegedBinding",
						Severity: tc.want,
						Message:  tc.message,
						Object:   v1alpha1.ObjectReference{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "RoleBinding", Name: "b"},
						Remedy:   "bind a role that gives no more than is needed, or delete the binding; declare who is to have it under spec.rbac",
					},
				}
			}
			got := judged(v1alpha1.SecurityProfileSpec{RBAC: tc.rbac}, Facts{
				Bindings: map[string]Binding{"b": tc.binding},
				Roles: map[string]Powers{
					"reader": {Names: list{"access to Secrets"}}, "edit": {Total: true, Names: list{"wildcards"}},
					"bulwark-developer": {Names: list{"exec into Pods"}},
				},
				ClusterRoles: map[string]Powers{"admin": {Total: true, Names: list{"admin"}}, "edit": {Names: list{"edit"}}},
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLower(t *testing.T) {
	for of, want := range map[v1alpha1.Severity]v1alpha1.Severity{"Critical": "High", "High": "Medium", "Medium": "Low", "Low": "Low"} {
		if got := lower(of); got != want {
			t.Errorf("lower than %s is %s, want %s", of, got, want)
		}
	}
}
