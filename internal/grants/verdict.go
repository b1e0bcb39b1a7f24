package grants

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Verdict says in words what a ClusterRole permits that a profile must not grant.
type Verdict struct {
	// Forbidden names all of it; it is empty if a profile may bind the ClusterRole.
	Forbidden string
	// Unexpected names those parts that the ClusterRole does not have from Kubernetes.
	Unexpected string
}

// maxVerdict bounds each part of a verdict, since one is kept of each ClusterRole.
const maxVerdict = 256

// Judge is the verdict on a ClusterRole.
func Judge(role *rbacv1.ClusterRole) Verdict {
	forbidden := Forbidden(role.Rules)
	return Verdict{
		Forbidden:  printable.Cut(Words(forbidden), maxVerdict),
		Unexpected: printable.Cut(Words(Unexpected(role.Name, forbidden)), maxVerdict),
	}
}
