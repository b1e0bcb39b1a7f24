package admission

import (
	"fmt"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Proof is what the API server says of the operator beside its name. It says that of whom it has
// authenticated; whoever impersonates the operator by its name alone lacks it.
type Proof struct {
	// UID is the operator's uid; empty if the API server knows none, as of a client certificate.
	UID string
	// Credential says that the API server names the credential of the operator, and so that it does
	// that at all.
	Credential bool
}

// kubernetes are the users that the parts of Kubernetes are which must write what Bulwark manages:
// the API server, which counts usage into quotas, and the controllers that count it, delete what a
// namespace holds, and collect what has no owner. kube-controller-manager is one user where it does
// not use a service account for each controller.
var kubernetes = []string{
	user.APIServerUser,
	user.KubeControllerManager,
	"system:serviceaccount:kube-system:resourcequota-controller",
	"system:serviceaccount:kube-system:namespace-controller",
	"system:serviceaccount:kube-system:generic-garbage-collector",
}

// enders are those of them that end namespaces.
var enders = []string{user.KubeControllerManager, "system:serviceaccount:kube-system:namespace-controller"}

const (
	// hasUID and hasCredential are whether the API server has authenticated the user. To
	// impersonate either takes a permission of its own.
	hasUID        = `request.userInfo.?uid.orValue("") != ""`
	hasCredential = `request.userInfo.?extra[?"` + user.CredentialIDKey + `"].orValue([]).size() > 0`
)

// isOperator is whether the user is the operator.
func (r *renderer) isOperator() string {
	conditions := []string{"(request.userInfo.username == " + quote(r.cluster.Operator) + ")"}
	if r.cluster.Proof.UID != "" {
		conditions = append(conditions, `request.userInfo.?uid.orValue("") == `+quote(r.cluster.Proof.UID))
	}
	if r.cluster.Proof.Credential {
		conditions = append(conditions, hasCredential)
	}
	return all(conditions)
}

// isPart is whether the user is one of these parts of Kubernetes. A service account's token gives
// it a uid and a credential; the API server itself has a uid, and who uses a certificate a
// credential.
func (r *renderer) isPart(names []string) string {
	if !r.cluster.Proof.Credential {
		return fmt.Sprintf("(request.userInfo.username in %s)", list(names))
	}
	var accounts, others []string
	for _, name := range names {
		if strings.HasPrefix(name, serviceaccount.ServiceAccountUsernamePrefix) {
			accounts = append(accounts, name)
		} else {
			others = append(others, name)
		}
	}
	return some([]string{
		fmt.Sprintf("(request.userInfo.username in %s && %s && %s)", list(accounts), hasUID, hasCredential),
		fmt.Sprintf("(request.userInfo.username in %s && (%s || %s))", list(others), hasUID, hasCredential),
	})
}

// notByOperator matches what is not by the operator.
func (r *renderer) notByOperator() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{
		Name: "is-not-by-bulwark", Expression: fmt.Sprintf("!(%s)", r.isOperator()),
	}
}

// notByOperatorOrKubernetes matches what is neither by the operator nor by a part of Kubernetes
// that must write what Bulwark manages.
func (r *renderer) notByOperatorOrKubernetes() admissionregistrationv1.MatchCondition {
	return admissionregistrationv1.MatchCondition{
		Name:       "is-not-by-bulwark-or-kubernetes",
		Expression: fmt.Sprintf("!(%s || %s)", r.isOperator(), r.isPart(kubernetes)),
	}
}
