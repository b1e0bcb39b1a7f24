package controllermanager

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// recount is how soon objects other than pods are counted again: they are not watched.
const recount = time.Second

// quotas counts what quotas bound. The API server charges each request to the status of a quota by
// itself, once the status has an amount to begin with.
//
//	pods, and what they request     counted whenever a pod comes, changes or goes
//	objects                         counted again every second
//	all else, and all in scopes     begins at zero; what the API server has charged stays charged
type quotas struct {
	client.Client
	live client.Reader
}

// Reconcile writes the status of one, if it is not what it has to be.
func (q *quotas) Reconcile(ctx context.Context, quota *corev1.ResourceQuota) (reconcile.Result, error) {
	used, again, err := q.count(ctx, quota)
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("counting for ResourceQuota %s/%s: %w", quota.Namespace, quota.Name, err)
	}
	status := corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: used}
	if equality.Semantic.DeepEqual(status, quota.Status) {
		return reconcile.Result{RequeueAfter: again}, nil
	}
	quota.Status = status
	if err := client.IgnoreNotFound(q.Status().Update(ctx, quota)); err != nil {
		return reconcile.Result{}, fmt.Errorf("counting for ResourceQuota %s/%s: %w", quota.Namespace, quota.Name, err)
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// count is what is used of a quota, and how soon it has to be counted again; zero for never.
func (q *quotas) count(ctx context.Context, quota *corev1.ResourceQuota) (corev1.ResourceList, time.Duration, error) {
	scoped := len(quota.Spec.Scopes) > 0 || quota.Spec.ScopeSelector != nil
	var again time.Duration
	used, ofPods := corev1.ResourceList{}, corev1.ResourceList(nil)
	for name := range quota.Spec.Hard {
		resourceName, isObject := objectOf(name)
		switch {
		case !scoped && isOfPods(name):
			if ofPods == nil {
				var err error
				if ofPods, err = q.usedByPods(ctx, quota.Namespace); err != nil {
					return nil, 0, err
				}
			}
			used[name] = ofPods[name] // Zero, if no pod uses it.
		case !scoped && isObject:
			count, known, err := q.countObjects(ctx, quota.Namespace, resourceName)
			if err != nil {
				return nil, 0, err
			}
			if known { // Else it is never counted, as kube-controller-manager never does.
				used[name] = *resource.NewQuantity(count, resource.DecimalSI)
			}
			again = recount
		default:
			used[name] = quota.Status.Used[name]
		}
	}
	return used, again, nil
}

// isOfPods reports whether an entry of a quota is charged for pods.
func isOfPods(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourcePods, "count/pods", corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	case corev1.ResourceRequestsStorage:
		return false
	}
	for _, prefix := range []string{corev1.DefaultResourceRequestsPrefix, "limits.", corev1.ResourceHugePagesPrefix} {
		if strings.HasPrefix(string(name), prefix) {
			return true
		}
	}
	return false
}

// usedByPods is what the pods of a namespace use together.
func (q *quotas) usedByPods(ctx context.Context, namespace string) (corev1.ResourceList, error) {
	var pods corev1.PodList
	if err := q.live.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	used := corev1.ResourceList{}
	for i := range pods.Items {
		for name, amount := range tightening.Usage(&pods.Items[i], time.Now()) {
			sum := used[name]
			sum.Add(amount)
			used[name] = sum
		}
	}
	return used, nil
}

// objectOf is the resource whose objects an entry of a quota counts; false if it counts none.
func objectOf(name corev1.ResourceName) (schema.GroupResource, bool) {
	switch name {
	case corev1.ResourceServices, corev1.ResourceSecrets, corev1.ResourceConfigMaps, corev1.ResourcePersistentVolumeClaims,
		corev1.ResourceReplicationControllers, corev1.ResourceQuotas:
		return schema.GroupResource{Resource: string(name)}, true
	}
	counted, isCount := strings.CutPrefix(string(name), "count/")
	return schema.ParseGroupResource(counted), isCount
}

// countObjects counts the objects of a namespace; false if the API server knows no such objects in
// namespaces.
func (q *quotas) countObjects(ctx context.Context, namespace string, r schema.GroupResource) (int64, bool, error) {
	kind, err := q.RESTMapper().KindFor(r.WithVersion(""))
	if meta.IsNoMatchError(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("asking for the kind of %s: %w", r, err)
	}
	namespaced, err := apiutil.IsGVKNamespaced(kind, q.RESTMapper())
	if err != nil {
		return 0, false, fmt.Errorf("asking whether %s are in namespaces: %w", r, err)
	}
	if !namespaced || kind.Group != r.Group {
		return 0, false, nil
	}
	objects := &metav1.PartialObjectMetadataList{}
	objects.SetGroupVersionKind(kind)
	if err := q.live.List(ctx, objects, client.InNamespace(namespace)); err != nil {
		return 0, false, fmt.Errorf("listing %s: %w", r, err)
	}
	return int64(len(objects.Items)), true, nil
}
