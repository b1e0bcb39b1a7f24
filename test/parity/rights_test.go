package parity

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/cli"
	"github.com/bulwark-dev/bulwark/internal/operator"
)

// testRights judges a Namespace by a policy that asks what its user may do. The cluster answers the
// check as it answers the policy, and whoever may not ask is told that the rule is not judged.
func (s *suite) testRights(t *testing.T) {
	p := sample(t)
	p.Name = "rights"
	p.Spec.NamespaceSelector.MatchLabels = map[string]string{"tier": "rights"}
	s.create(t.Context(), t, p)
	s.govern(t, p, "rights")
	s.awaitPolicies(t, p, "rights")
	s.permit(
		t,
		"dana",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"create", "list"}},
		rbacv1.PolicyRule{
			APIGroups: []string{v1alpha1.GroupVersion.Group},
			Resources: []string{"securityprofiles"},
			Verbs:     []string{"list"},
		},
	)
	s.permit(
		t,
		"erin",
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"create"}},
		rbacv1.PolicyRule{
			APIGroups: []string{v1alpha1.GroupVersion.Group},
			Resources: []string{"securityprofiles"},
			Verbs:     []string{"update"},
		},
	)
	const exposed = "apiVersion: v1\nkind: Namespace\nmetadata: {name: exposed, labels: {tier: rights, resource.kubernetes.io/admin-access: \"true\"}}\n"
	for user, want := range map[string]int{"dana": cli.ExitFindings, "erin": cli.ExitClean} {
		refused := s.as(t, user).Create(t.Context(), documents(t, "ns.yaml", exposed)[0].Object, client.DryRunAll)
		code, said := s.checkFromCluster(t, "", exposed, "--as", user)
		if code != want || (refused != nil) != (want == cli.ExitFindings) {
			t.Errorf("%s: the API server says %v, and the check %d\n%s", user, refused, code, said)
		}
	}
	code, said := s.checkFromCluster(t, "dana", exposed)
	if code != cli.ExitError ||
		!strings.Contains(
			said,
			"it is not known whether ValidatingAdmissionPolicy bulwark-rights-tamper-namespaces refuses it",
		) {
		t.Errorf("by somebody who may not ask: %d\n%s", code, said)
	}
}

// permit gives a user a role of its own in the whole cluster.
func (s *suite) permit(t *testing.T, user string, rules ...rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{Name: "parity-" + user}
	s.create(t.Context(), t, &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules})
	s.create(t.Context(), t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
}

// as is a client of a user, once the user may do what it is permitted.
func (s *suite) as(t *testing.T, user string) client.Client {
	t.Helper()
	config := rest.CopyConfig(s.plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	c, err := client.New(config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, user+" may make namespaces", func() error {
		return c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tried"}}, client.DryRunAll)
	})
	return c
}

// checkFromCluster checks a manifest by what governs the cluster, with the kubeconfig of a user; of
// the administrator, if none is named.
func (s *suite) checkFromCluster(t *testing.T, user, manifest string, args ...string) (int, string) {
	t.Helper()
	dir := t.TempDir()
	config := s.kubeconfig()
	config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo].Impersonate = user
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	code := cli.Run(
		t.Context(),
		append([]string{"check", "--from-cluster", "--kubeconfig", kubeconfig, "-f", "manifest.yaml"}, args...),
		cli.World{
			In: strings.NewReader(""), Out: &said, Err: &said, Dir: dir, Now: time.Now,
			Terminal: func(any) bool { return false }, Getenv: func(string) string { return "" },
		},
	)
	return code, said.String()
}
