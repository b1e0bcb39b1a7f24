package static

import (
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// who is somebody who tries.
type who struct {
	client.Client
	conf *rest.Config
}

// attempt is what manifests refuse to whoever does not pass.
type attempt struct {
	name string
	do   func(as who) []error
}

const (
	ownerIsGone = `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"nobody",` +
		`"uid":"00000000-0000-0000-0000-000000000000"}]}}`
	held = `{"metadata":{"finalizers":["example.com/keep"]}}`
)

func attempts() []attempt {
	return []attempt{
		{"deletes admission policies and bindings", func(as who) []error {
			var errs []error
			for _, p := range policies() {
				errs = append(errs, as.Delete(ctx, &p))
			}
			for _, b := range bindings() {
				errs = append(errs, as.Delete(ctx, &b))
			}
			return append(errs, as.DeleteAllOf(ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}),
				as.DeleteAllOf(ctx, &admissionregistrationv1.ValidatingAdmissionPolicy{},
					client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}))
		}},
		{"empties or ends a policy by an update", func(as who) []error {
			p := &policies()[0]
			return ofPatches(
				as,
				p,
				`{"spec":{"failurePolicy":"Ignore"}}`,
				`{"spec":{"validations":[{"expression":"true"}]}}`,
				ownerIsGone,
				held,
				`{"metadata":{"labels":{"security.bulwark.dev/profile":null,"app.kubernetes.io/managed-by":null}}}`,
			)
		}},
		{"has a binding only audit, or bind elsewhere", func(as who) []error {
			b := &bindings()[0]
			return ofPatches(as, b, `{"spec":{"validationActions":["Audit"]}}`, `{"spec":{"policyName":"another"}}`, ownerIsGone,
				`{"spec":{"matchResources":{"namespaceSelector":{"matchLabels":{"no":"namespace"}}}}}`)
		}},
		{"has a policy say that it type-checks", func(as who) []error {
			p := &policies()[0]
			return []error{
				as.Status().Patch(ctx, p, merging(`{"status":{"typeChecking":{"expressionWarnings":[]},"observedGeneration":99}}`)),
			}
		}},
		{"takes a name of Bulwark's policies, also a generated one, and its labels", func(as who) []error {
			named, generated, labelled := ownPolicy("bulwark-mine"), ownPolicy(""), ownPolicy("mine")
			generated.GenerateName = "bulwark-"
			labelled.Labels = map[string]string{v1alpha1.ManagedByLabel: v1alpha1.ManagedBy}
			return []error{as.Create(ctx, named), as.Create(ctx, generated), as.Create(ctx, labelled)}
		}},
		{"deletes the profile", func(as who) []error {
			return []error{as.Delete(ctx, fortress.DeepCopy()), as.DeleteAllOf(ctx, &v1alpha1.SecurityProfile{}),
				as.Delete(ctx, fortress.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))}
		}},
		{"weakens the profile, or lets it go", func(as who) []error {
			return append(ofPatches(as, fortress.DeepCopy(), `{"spec":{"enforcement":"Audit"}}`, `{"spec":{"protection":null}}`,
				`{"metadata":{"finalizers":null}}`, ownerIsGone, held),
				as.Status().Patch(ctx, fortress.DeepCopy(), merging(`{"status":{"driftTotal":99}}`)))
		}},
		{"makes a profile that governs before it", func(as who) []error {
			return []error{as.Create(ctx,
				fixture.Profile("usurper", fixture.OnlyNetwork, fixture.Selecting("fortress"), fixture.WithPriority(1000)))}
		}},
		{"deletes what config/default consists of", func(as who) []error {
			var errs []error
			for _, o := range installed() {
				errs = append(errs, as.Delete(ctx, o))
			}
			return errs
		}},
		{"has what config/default consists of deleted, by an owner who is gone", func(as who) []error {
			var errs []error
			for _, o := range installed() {
				errs = append(errs, ofPatches(as, o, ownerIsGone)...)
			}
			return errs
		}},
		{"changes the CRD", func(as who) []error {
			crd := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "securityprofiles.security.bulwark.dev")
			return append(ofPatches(as, crd, `{"spec":{"names":{"shortNames":["sp"]}}}`, held),
				as.Status().Patch(ctx, crd, merging(`{"status":{"conditions":[]}}`)))
		}},
		{"has another server serve profiles", func(as who) []error {
			api := object("apiregistration.k8s.io/v1", "APIService", "", "v1alpha1.security.bulwark.dev")
			return append(
				ofPatches(as, api, `{"spec":{"service":{"namespace":"shop","name":"mine"},"insecureSkipTLSVerify":true}}`),
				as.Delete(ctx, api),
			)
		}},
		{"takes the operator's permissions, or widens what profiles may grant", func(as who) []error {
			grants := object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "mine")
			grants.SetLabels(map[string]string{v1alpha1.AggregateToGrantableLabel: "true"})
			grants.Object["rules"] = []any{
				map[string]any{"apiGroups": []any{""}, "resources": []any{"secrets"}, "verbs": []any{"get"}},
			}
			role := object("rbac.authorization.k8s.io/v1", "ClusterRole", "", "bulwark-manager")
			binding := object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "bulwark-manager")
			return slices.Concat(ofPatches(as, role, `{"rules":[]}`), ofPatches(as, binding, `{"subjects":[]}`),
				[]error{as.Create(ctx, grants)})
		}},
		{"lowers the Pod Security level of the operator's namespace, or ends it unemptied", func(as who) []error {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.OperatorNamespace}}
			errs := ofPatches(as, namespace, `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`,
				`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":null}}}`)
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)).To(Succeed())
			namespace.Spec.Finalizers = nil
			return append(errs, as.SubResource("finalize").Update(ctx, namespace))
		}},
		{"stops the operator", func(as who) []error {
			deployment := object("apps/v1", "Deployment", v1alpha1.OperatorNamespace, "bulwark-manager")
			quota := object("v1", "ResourceQuota", v1alpha1.OperatorNamespace, "none")
			quota.Object["spec"] = map[string]any{"hard": map[string]any{"pods": "0"}}
			return append(ofPatches(
				as,
				deployment,
				`{"spec":{"replicas":0}}`,
				`{"spec":{"template":{"spec":{"containers":[{"name":"manager","image":"evil"}]}}}}`,
				`{"metadata":{"labels":{"mine":"yes"}}}`,
			),
				as.SubResource("scale").Patch(ctx, deployment, merging(`{"spec":{"replicas":0}}`)),
				as.Create(ctx, quota))
		}},
		{"takes the operator's Lease", func(as who) []error {
			lease := &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.OperatorNamespace, Name: "squatted"},
			}
			return []error{as.Create(ctx, lease),
				as.DeleteAllOf(ctx, replicaSets(), client.InNamespace(v1alpha1.OperatorNamespace))}
		}},
		{"changes a pod of the operator, or enters it", func(as who) []error {
			pod := operatorPod()
			debug := client.RawPatch(types.StrategicMergePatchType, []byte(
				`{"spec":{"ephemeralContainers":[{"name":"debug","image":"busybox",`+
					`"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}}`))
			return append(ofPatches(as, pod, `{"metadata":{"labels":{"app.kubernetes.io/name":null}}}`,
				`{"spec":{"activeDeadlineSeconds":1}}`),
				as.SubResource("ephemeralcontainers").Patch(ctx, pod, debug), entered(as, pod, "exec"), entered(as, pod, "attach"),
				entered(as, pod, "portforward"))
		}},
		{"gets a token of the operator, or of a controller that passes", func(as who) []error {
			return []error{tokenOf(as, v1alpha1.OperatorNamespace, "bulwark-manager"),
				tokenOf(as, "kube-system", "generic-garbage-collector"), tokenOf(as, "kube-system", "namespace-controller"),
				as.Create(ctx, tokenSecret(v1alpha1.OperatorNamespace, "bulwark-manager")),
				as.Create(ctx, tokenSecret("kube-system", "generic-garbage-collector"))}
		}},
		{"runs a pod as the operator, or as a controller that passes", func(as who) []error {
			mine, controller := fixture.RestrictedPod(
				v1alpha1.OperatorNamespace,
				"mine",
			), fixture.RestrictedPod(
				"kube-system",
				"mine",
			)
			mine.Spec.ServiceAccountName, controller.Spec.ServiceAccountName = "bulwark-manager", "replicaset-controller"
			return []error{as.Create(ctx, mine), as.Create(ctx, controller)}
		}},
		{"impersonates who passes", func(as who) []error {
			var errs []error
			for _, impersonated := range []rest.ImpersonationConfig{
				{UserName: controlplane.OperatorUser, Groups: []string{masters}},
				{UserName: "system:serviceaccount:kube-system:generic-garbage-collector", Groups: []string{masters}},
				{UserName: "system:kube-controller-manager", Groups: []string{masters}},
				{UserName: "system:apiserver", Groups: []string{masters}},
				{UserName: "rescuer", Groups: []string{masters, breakGlassGroup}},
			} {
				conf := rest.CopyConfig(as.conf)
				conf.Impersonate = impersonated
				b := bindings()[0]
				errs = append(errs, clientOf(conf).Delete(ctx, &b))
			}
			return errs
		}},
	}
}

// ofPatches are the answers to merge patches of an object, one after the other.
func ofPatches(as client.Client, o client.Object, patches ...string) []error {
	errs := make([]error, 0, len(patches))
	for _, patch := range patches {
		errs = append(errs, as.Patch(ctx, o.DeepCopyObject().(client.Object), merging(patch)))
	}
	return errs
}

func merging(patch string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(patch)) }

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func replicaSets() *unstructured.Unstructured { return object("apps/v1", "ReplicaSet", "", "") }

// ownPolicy is a policy of somebody's own that asks for nothing.
func ownPolicy(name string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	p := policies()[0]
	return &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: p.Spec}
}

// operatorPod is a pod of the Deployment. No kubelet runs it.
func operatorPod() *corev1.Pod {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Eventually(func(g Gomega) {
		g.Expect(admin.List(ctx, pods, client.InNamespace(v1alpha1.OperatorNamespace))).To(Succeed())
		g.Expect(pods.Items).NotTo(BeEmpty())
	}).Should(Succeed())
	return &pods.Items[0]
}

// entered is the answer to a connection to a pod.
func entered(as who, pod *corev1.Pod, subresource string) error {
	GinkgoHelper()
	clients, err := kubernetes.NewForConfig(as.conf)
	Expect(err).NotTo(HaveOccurred())
	return clients.CoreV1().RESTClient().Post().
		Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource(subresource).
		Param("command", "sh").Param("stdout", "true").Do(ctx).Error()
}

func tokenOf(as who, namespace, account string) error {
	GinkgoHelper()
	clients, err := kubernetes.NewForConfig(as.conf)
	Expect(err).NotTo(HaveOccurred())
	_, err = clients.CoreV1().ServiceAccounts(namespace).
		CreateToken(ctx, account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	return err
}

func tokenSecret(namespace, account string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: fmt.Sprintf("token-of-%s", account),
			Annotations: map[string]string{corev1.ServiceAccountNameKey: account},
		},
		Type: corev1.SecretTypeServiceAccountToken,
	}
}
