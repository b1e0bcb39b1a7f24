package rollout

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/podscan"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/posture/posturetest"
)

// aPass is a pass for a profile in its present generation.
func aPass() *posture.Pass {
	return &posture.Pass{Profile: posturetest.Profile(), Namespace: posturetest.Namespace()}
}

// safely is a pass of a profile that waits until it is safe, in its present generation.
func safely(change func(*v1alpha1.NamespacePosture)) *posture.Pass {
	p := aPass()
	p.Profile.Spec.Rollout = v1alpha1.RolloutWhenSafe
	report := posturetest.Report()
	change(report)
	return p.With(report)
}

func modified(want, got baseline.Object) drift.Drift {
	d := drift.Drift{Object: baseline.Reference(want), Change: v1alpha1.DriftChangeModified, Want: want, Got: got}
	if got == nil {
		d.Change = v1alpha1.DriftChangeMissing
	}
	return d
}

// quotaOf is the quota bulwark-compute.
func quotaOf(hard corev1.ResourceList, scopes ...corev1.ResourceQuotaScope) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "bulwark-compute"},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard, Scopes: scopes},
	}
}

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// inhabited is a namespace as the API server tells of it.
type inhabited struct {
	client.Reader
	pods      []corev1.Pod
	limits    []corev1.LimitRange
	quota     *corev1.ResourceQuota // nil if there is none
	err       error
	limitsErr error
	asked     int
}

func (n *inhabited) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	n.asked++
	if limits, ok := list.(*corev1.LimitRangeList); ok {
		limits.Items = n.limits
		return n.limitsErr
	}
	list.(*corev1.PodList).Items = n.pods
	return n.err
}

func (n *inhabited) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	n.asked++
	if n.quota == nil && n.err == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "resourcequotas"}, key.Name)
	}
	if n.quota != nil {
		n.quota.DeepCopyInto(o.(*corev1.ResourceQuota))
	}
	return n.err
}

func using(used corev1.ResourceList) *corev1.ResourceQuota {
	quota := quotaOf(nil)
	quota.Status.Used = used
	return quota
}

// needing is the pod web, which needs so much cpu; it does not say how much, if that is empty.
func needing(cpu string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	pod.Spec.Containers = []corev1.Container{{Name: "app"}}
	if cpu != "" {
		pod.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Requests: amounts("cpu", cpu), Limits: amounts("cpu", cpu),
		}
	}
	return pod
}

// giving is a LimitRange that gives each container a limit, and a request of as much.
func giving(name, cpu string) corev1.LimitRange {
	return corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.LimitRangeSpec{
		Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Default: amounts("cpu", cpu), DefaultRequest: amounts("cpu", cpu),
		}},
	}}
}

// lostSince is a pod that should have been gone at a time, with a grace period of a second.
func lostSince(at time.Time, pod corev1.Pod) corev1.Pod {
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &metav1.Time{Time: at}, new(int64(1))
	return pod
}

// gateOf is a Gate in a namespace as the API server tells of it.
func gateOf(live client.Reader) *Gate {
	return NewGate(live, &podscan.Scanner{Live: live, Rules: podscan.NewRules()})
}
