package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const (
	floorNamespace = "bench"
	floorUser      = "system:serviceaccount:" + floorNamespace + ":floor"
	// floorGroup takes the place of the API group in all that the floor writes, as long as that, so
	// that the operator sees nothing of its own in it: in the labels, and as the group of a copy of
	// the CRD of NamespacePosture.
	floorGroup = "benching.bulwark.dev"
)

// floor is the bare client that the operator is measured against. It makes the writes that it is
// given, and no others.
type floor struct {
	core  kubernetes.Interface
	rests map[schema.GroupVersion]rest.Interface

	spare *batch                    // the namespaces that it onboarded last; nil if none
	owner *v1alpha1.SecurityProfile // and the profile that owns what it wrote there
}

// newFloor makes the floor with a ServiceAccount of its own, so that it is authenticated and
// authorized as the operator is.
func newFloor(ctx context.Context, c *cluster) (*floor, error) {
	if err := permitFloor(ctx, c); err != nil {
		return nil, err
	}
	if err := installReports(ctx, c); err != nil {
		return nil, err
	}
	cfg, err := c.plane.ServiceAccountConfig(ctx, floorNamespace, "floor")
	if err != nil {
		return nil, err
	}
	cfg = bare(cfg)
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("making the floor's client: %w", err)
	}
	return &floor{
		core: clients,
		rests: map[schema.GroupVersion]rest.Interface{
			corev1.SchemeGroupVersion:       clients.CoreV1().RESTClient(),
			networkingv1.SchemeGroupVersion: clients.NetworkingV1().RESTClient(),
			rbacv1.SchemeGroupVersion:       clients.RbacV1().RESTClient(),
		},
	}, nil
}

// permitFloor lets the floor do what the operator may do, and no more: so each of its writes is
// authorized as the operator's are, and its Roles and RoleBindings are held against what it may
// grant.
func permitFloor(ctx context.Context, c *cluster) error {
	account := metav1.ObjectMeta{Namespace: floorNamespace, Name: "floor"}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: floorNamespace}},
		&corev1.ServiceAccount{ObjectMeta: account},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "bench-floor"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{floorGroup}, Resources: []string{"namespacepostures"},
			Verbs: []string{"get", "list", "watch", "create", "update", "delete"},
		}}},
	}
	for _, role := range []string{"bench-floor", "bulwark-manager", v1alpha1.GrantableClusterRole, "bulwark-metrics-reader"} {
		objects = append(objects, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "bench-floor-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: account.Namespace, Name: account.Name}},
		})
	}
	for _, o := range objects {
		if err := c.admin.Create(ctx, o); err != nil {
			return fmt.Errorf("making the floor's ServiceAccount: %w", err)
		}
	}
	return nil
}

// installReports installs the copy of the CRD of NamespacePosture.
func installReports(ctx context.Context, c *cluster) error {
	crd, err := os.ReadFile(
		filepath.Join(controlplane.Root(), "config", "crd", "bases", "security.bulwark.dev_namespacepostures.yaml"),
	)
	if err != nil {
		return err
	}
	apply := c.plane.Kubectl(ctx, "apply", "--server-side", "-f", "-")
	apply.Stdin = strings.NewReader(inFloorGroup(string(crd)))
	if out, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("installing the floor's reports: %w: %s", err, out)
	}
	wait := c.plane.Kubectl(
		ctx,
		"wait",
		"--for=condition=Established",
		"--timeout=60s",
		"crd/namespacepostures."+floorGroup,
	)
	if out, err := wait.CombinedOutput(); err != nil {
		return fmt.Errorf("waiting for the floor's reports: %w: %s", err, out)
	}
	return nil
}

func inFloorGroup(text string) string {
	return strings.ReplaceAll(text, v1alpha1.GroupVersion.Group, floorGroup)
}

// owner makes a profile that selects nothing, for the floor's objects to be owned by as the
// operator's are. It has no policies either: they would be asked about namespaces all the same.
func (c *cluster) owner(ctx context.Context, name string) (*v1alpha1.SecurityProfile, error) {
	profile, err := restricted(name)
	if err != nil {
		return nil, err
	}
	profile.Spec.NamespaceSelector = selecting("nothing")
	withoutPolicies(&profile.Spec)
	if err := c.admin.Create(ctx, profile); err != nil {
		return nil, fmt.Errorf("creating the owner of the floor's objects: %w", err)
	}
	return profile, nil
}

// render is the baseline of a namespace as the floor writes it: what the operator would, with
// labels that it does not know.
func render(owner *v1alpha1.SecurityProfile, namespace string) []baseline.Object {
	objects := baseline.Render(owner, namespace)
	for _, o := range objects {
		o.SetLabels(relabelled(o.GetLabels()))
	}
	return objects
}

func relabelled(labels map[string]string) map[string]string {
	renamed := make(map[string]string, len(labels))
	for key, value := range labels {
		renamed[inFloorGroup(key)] = value
	}
	return renamed
}

// copyOf is a report of the operator as the floor writes it for another namespace.
func copyOf(report *unstructured.Unstructured, owner *v1alpha1.SecurityProfile, namespace string) ([]byte, error) {
	written := report.DeepCopy()
	written.SetAPIVersion(inFloorGroup(report.GetAPIVersion()))
	metadata := map[string]any{"namespace": namespace, "name": report.GetName()}
	written.Object["metadata"] = metadata
	written.SetLabels(relabelled(report.GetLabels()))
	written.SetOwnerReferences(baseline.Owner(owner))
	data, err := json.Marshal(written)
	if err != nil {
		return nil, fmt.Errorf("copying a report: %w", err)
	}
	return data, nil
}

// establish writes one object: what comes with the namespace is patched, everything else is made.
func (f *floor) establish(ctx context.Context, o baseline.Object) error {
	options := metav1.ApplyOptions{FieldManager: "bench", Force: true}
	var err error
	switch o := o.(type) {
	case *corev1.Namespace:
		_, err = f.core.CoreV1().Namespaces().Apply(ctx, corev1ac.Namespace(o.Name).WithLabels(o.Labels), options)
	case *corev1.ServiceAccount:
		if !baseline.BelongsToNamespace(o) {
			return f.create(ctx, o)
		}
		account := corev1ac.ServiceAccount(o.Name, o.Namespace).WithLabels(o.Labels)
		account.AutomountServiceAccountToken = o.AutomountServiceAccountToken
		_, err = f.core.CoreV1().ServiceAccounts(o.Namespace).Apply(ctx, account, options)
	default:
		return f.create(ctx, o)
	}
	return err
}

func (f *floor) create(ctx context.Context, o baseline.Object) error {
	kind := baseline.KindOf(o)
	post := f.rests[kind.GroupVersion()].Post().Namespace(o.GetNamespace()).Resource(kind.Resource)
	return post.Body(o).Do(ctx).Into(kind.New())
}

func (f *floor) update(ctx context.Context, o baseline.Object) error {
	kind := baseline.KindOf(o)
	put := f.rests[kind.GroupVersion()].Put().Namespace(o.GetNamespace()).Resource(kind.Resource).Name(o.GetName())
	return put.Body(o).Do(ctx).Into(kind.New())
}

func (f *floor) createReport(ctx context.Context, namespace string, report []byte) error {
	return f.asJSON(f.rests[corev1.SchemeGroupVersion].Post().AbsPath(reportsPath(namespace)).Body(report)).Do(ctx).Error()
}

func (f *floor) updateReport(ctx context.Context, namespace string, report []byte) error {
	path := reportsPath(namespace) + "/" + v1alpha1.PostureName
	return f.asJSON(f.rests[corev1.SchemeGroupVersion].Put().AbsPath(path).Body(report)).Do(ctx).Error()
}

// reports are the floor's reports by namespace.
func (f *floor) reports(ctx context.Context) (map[string]*unstructured.Unstructured, error) {
	path := "/apis/" + floorGroup + "/" + v1alpha1.GroupVersion.Version + "/namespacepostures"
	data, err := f.asJSON(f.rests[corev1.SchemeGroupVersion].Get().AbsPath(path)).Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("reading the floor's reports: %w", err)
	}
	var list unstructured.UnstructuredList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("reading the floor's reports: %w", err)
	}
	reports := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		reports[list.Items[i].GetNamespace()] = &list.Items[i]
	}
	return reports, nil
}

// asJSON says so of a request: a custom resource has no other form.
func (f *floor) asJSON(request *rest.Request) *rest.Request {
	return request.SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json")
}

func reportsPath(namespace string) string {
	return "/apis/" + floorGroup + "/" + v1alpha1.GroupVersion.Version + "/namespaces/" + namespace + "/namespacepostures"
}
