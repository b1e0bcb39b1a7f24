package integration

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// streams is what a user is told who may do nothing but one verb on the subresources that open
// streams to pods, and wants to use one.
func streams(namespace, user, verb, subresource, option string) error {
	GinkgoHelper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: user}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"pods/exec", "pods/attach", "pods/portforward"}, Verbs: []string{verb},
	}}}
	binding := roleBinding(user, user, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user})
	binding.Namespace, binding.RoleRef.Kind = namespace, "Role"
	Expect(admin.Create(ctx, role)).To(Succeed())
	Expect(admin.Create(ctx, binding)).To(Succeed())
	config := rest.CopyConfig(plane.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	clients, err := kubernetes.NewForConfig(config)
	Expect(err).NotTo(HaveOccurred())
	methods := map[string]string{"get": http.MethodGet, "create": http.MethodPost}
	ask := func() error {
		return clients.CoreV1().
			RESTClient().
			Verb(methods[verb]).
			Namespace(namespace).
			Resource("pods").
			Name("web").
			SubResource(subresource).
			Param(option, "1").
			SetHeader("Connection", "Upgrade").
			SetHeader("Upgrade", "websocket").
			SetHeader("Sec-WebSocket-Version", "13").
			SetHeader("Sec-WebSocket-Key", "c2l4dGVlbi1ieXRlcy0hIQ==").
			SetHeader("Sec-WebSocket-Protocol", "v5.channel.k8s.io").
			Do(ctx).
			Error()
	}
	Eventually(ask).ShouldNot(MatchError(ContainSubstring(`cannot ` + verb + ` resource`))) // Until the binding is known.
	return ask()
}

var _ = Describe("Whoever may `get` the streams of pods", func() {
	for subresource, option := range map[string]string{"exec": "command", "attach": "stdout", "portforward": "ports"} {
		It("opens pods/"+subresource+" before Kubernetes 1.35, and is a finding there alone; to `create` is one", func() {
			namespace := governedPod()
			asGetter := streams(namespace, "getter", "get", subresource, option)
			asCreator := streams(namespace, "creator", "create", subresource, option)
			Expect(asCreator).NotTo(MatchError(apierrors.IsForbidden, "is forbidden"))
			EventuallyFound(namespace, "RoleBinding", "creator", v1alpha1.FindingIDPrivilegedBinding)
			if plane.OlderThan("1.35") {
				Expect(asGetter).NotTo(MatchError(apierrors.IsForbidden, "is forbidden"))
				EventuallyFound(namespace, "RoleBinding", "getter", v1alpha1.FindingIDPrivilegedBinding)
				return
			}
			Expect(asGetter).To(MatchError(apierrors.IsForbidden, "is forbidden"))
			Expect(ReportOn(Default, namespace).Findings).To(HaveLen(1), "to get gives nothing")
		})
	}
})

// governedPod is a governed namespace in which a pod of the name web runs.
func governedPod() (namespace string) {
	GinkgoHelper()
	profile, namespace := Governed()
	EventuallyEstablished(profile, namespace)
	pod := fixture.RestrictedPod(namespace, "web")
	pod.Spec.NodeName = "nowhere"
	Eventually(func() error { return admin.Create(ctx, pod) }).Should(Succeed())
	DeferCleanup(func() { _ = admin.Delete(ctx, &corev1.Pod{ObjectMeta: pod.ObjectMeta}) })
	return namespace
}
