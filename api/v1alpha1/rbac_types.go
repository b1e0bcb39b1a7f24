package v1alpha1

// RBAC declares the Roles, RoleBindings and ServiceAccounts of a namespace. There is no
// ClusterRoleBinding: Bulwark binds within a namespace only. The ClusterRole bulwark-grantable
// bounds the permissions that may be granted.
//
// +kubebuilder:validation:XValidation:rule="!has(self.roles) || !has(self.bindings) || self.roles.all(r, !self.bindings.exists(b, b.name == r.name))",message="a binding must not have the name of a role: both would be the RoleBinding bulwark-<name>"
// +kubebuilder:validation:XValidation:rule="!has(self.serviceAccounts) || self.serviceAccounts.all(s, !has(s.roles) || s.roles.all(n, has(self.roles) && self.roles.exists(r, r.name == n)))",message="each of a service account's roles must be the name of one of rbac.roles"
type RBAC struct {
	// roles are Roles, each with one RoleBinding, both named bulwark-<name>.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Roles []Role `json:"roles,omitempty"`
	// bindings are RoleBindings, each named bulwark-<name>, to ClusterRoles that exist. The
	// operator must hold the verb bind on the ClusterRole, or all that it grants; then its rules
	// must keep to what those of roles must.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Bindings []RoleBinding `json:"bindings,omitempty"`
	// serviceAccounts are ServiceAccounts, each named bulwark-<name>, so that a workload need not
	// use default.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	ServiceAccounts []ServiceAccount `json:"serviceAccounts,omitempty"`
	// defaultServiceAccount sets fields of the ServiceAccount default (CIS 5.1.5).
	// +optional
	DefaultServiceAccount *DefaultServiceAccount `json:"defaultServiceAccount,omitempty"`
}

// Role is a Role and the RoleBinding that grants it.
type Role struct {
	// name names the Role and the RoleBinding bulwark-<name>.
	// +required
	Name ObjectName `json:"name"`
	// rules are what the Role permits within the namespace.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +required
	Rules []PolicyRule `json:"rules"`
	// subjects are whom it is granted to, beside the service accounts that name it.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Subjects []Subject `json:"subjects,omitempty"`
}

// PolicyRule permits verbs on resources. It reads as an rbacv1.PolicyRule without non-resource
// URLs, which a Role cannot hold.
//
// +kubebuilder:validation:XValidation:rule="self.resources.all(r, !r.matches('[A-Z._ ]|^/|/$'))",message="no such resource: resources are named in the plural and in lower case, without their group, such as deployments or pods/log"
// +kubebuilder:validation:XValidation:rule="!has(self.apiGroups) || self.apiGroups.all(g, !g.matches('[/A-Z_ ]|^core$|^v[0-9][^.]*$'))",message="no such resource: apiGroups are named in lower case and without a version, such as apps for apps/v1; the core group, of v1, is \"\""
// +kubebuilder:validation:XValidation:rule="self.verbs.all(v, v.lowerAscii() == v)",message="verbs are written in lower case: the API server compares them as they are"
// +kubebuilder:validation:XValidation:rule="self.verbs.all(v, v != '*')",message="verbs must not hold '*': least privilege names each verb"
// +kubebuilder:validation:XValidation:rule="self.verbs.all(v, !(v in ['escalate', 'bind', 'impersonate']))",message="verbs must not hold escalate, bind or impersonate: each grants more than it names"
// +kubebuilder:validation:XValidation:rule="self.resources.all(r, !r.contains('*'))",message="resources must not hold '*': least privilege names each resource"
// +kubebuilder:validation:XValidation:rule="!has(self.apiGroups) || self.apiGroups.all(g, g != '*')",message="apiGroups must not hold '*': least privilege names each API group"
// +kubebuilder:validation:XValidation:rule="self.verbs.all(v, v in ['get', 'list', 'watch']) || self.resources.all(r, !(r in ['namespaces', 'namespacepostures', 'networkpolicies', 'limitranges', 'resourcequotas', 'resourcequotas/status', 'serviceaccounts', 'roles', 'rolebindings']))",message="a role must not permit writing what baselines consist of: namespaces, namespacepostures, networkpolicies, limitranges, resourcequotas, serviceaccounts, roles or rolebindings"
// +kubebuilder:validation:XValidation:rule="self.verbs.all(v, v in ['get', 'list', 'watch']) || !('reports' in self.resources) || !has(self.apiGroups) || !('openreports.io' in self.apiGroups)",message="a role must not permit writing the Reports of openreports.io, by which baselines are reported"
type PolicyRule struct {
	// apiGroups are the API groups of the resources; "" is the core group, which is also the
	// default.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	// +optional
	APIGroups []string `json:"apiGroups,omitempty"`
	// resources are resource names in the plural, with /subresource where meant.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	// +required
	Resources []string `json:"resources"`
	// resourceNames restrict the rule to objects of these names.
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +listType=atomic
	// +optional
	ResourceNames []string `json:"resourceNames,omitempty"`
	// verbs are API verbs: get, list, watch, create, update, patch, delete, deletecollection, or
	// one that the resource defines.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	// +required
	Verbs []string `json:"verbs"`
}

// Subject is a user, a group of the identity provider or a service account.
//
// +kubebuilder:validation:XValidation:rule="!(self.name in ['system:masters', 'system:anonymous', 'system:unauthenticated', 'system:authenticated', 'system:serviceaccounts'])",message="a subject must not be system:masters, system:anonymous, system:unauthenticated, system:authenticated or system:serviceaccounts: each means everybody or is beyond RBAC"
// +kubebuilder:validation:XValidation:rule="!has(self.namespace) || self.kind == 'ServiceAccount'",message="namespace applies to the kind ServiceAccount only"
// +kubebuilder:validation:XValidation:rule="self.kind != 'ServiceAccount' || !format.dns1123Subdomain().validate(self.name).hasValue()",message="the name of a ServiceAccount must consist of lower case letters, digits, '-' and '.', with at most 253 characters; its namespace is a field of its own",fieldPath=".name"
type Subject struct {
	// kind is User, Group or ServiceAccount.
	// +kubebuilder:validation:Enum=User;Group;ServiceAccount
	// +required
	Kind string `json:"kind"`
	// name is the name that the API server's authenticator gives the user or group, or that of the
	// ServiceAccount.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +required
	Name string `json:"name"`
	// namespace is that of the ServiceAccount. Defaults to the governed namespace.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// apiGroup is that of the subject's kind. Defaults to the only one that the kind can have.
	// +kubebuilder:validation:Enum="";rbac.authorization.k8s.io
	// +optional
	APIGroup string `json:"apiGroup,omitempty"`
}

// RoleBinding is a RoleBinding to a ClusterRole: it grants that within the namespace.
type RoleBinding struct {
	// name names the RoleBinding bulwark-<name>.
	// +required
	Name ObjectName `json:"name"`
	// clusterRole is the name of a ClusterRole that exists, such as view.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && !self.contains('%') && !(self in ['.', '..'])",message="the name of a ClusterRole must not hold '/' or '%', and must not be '.' or '..'"
	// +kubebuilder:validation:XValidation:rule="self != 'cluster-admin'",message="cluster-admin must not be bound: it permits everything"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('bulwark-') && !self.startsWith('system:')",message="the ClusterRoles of Bulwark and of Kubernetes itself must not be bound"
	// +required
	ClusterRole string `json:"clusterRole"`
	// subjects are whom it is granted to.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +required
	Subjects []Subject `json:"subjects"`
}

// ServiceAccount is a ServiceAccount and the roles that it is granted.
type ServiceAccount struct {
	// name names the ServiceAccount bulwark-<name>.
	// +required
	Name ObjectName `json:"name"`
	// automountServiceAccountToken says whether a pod that does not say so itself gets the
	// account's token mounted. Defaults to false (CIS 5.1.6).
	// +optional
	AutomountServiceAccountToken *bool `json:"automountServiceAccountToken,omitempty"`
	// roles are names of rbac.roles that the account is granted.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Roles []ObjectName `json:"roles,omitempty"`
}

// DefaultServiceAccount sets fields of the ServiceAccount default, which every namespace has.
type DefaultServiceAccount struct {
	// automountServiceAccountToken says whether a pod that names no ServiceAccount gets a token
	// mounted. Defaults to false.
	// +optional
	AutomountServiceAccountToken *bool `json:"automountServiceAccountToken,omitempty"`
}
