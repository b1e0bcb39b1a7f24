package tightening

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/wait"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/tightening"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/generate"
)

// podsCounted is how many pods one quota counts. When the count is another, rapid takes pods away
// until few are left.
const podsCounted = 50

// counted are the names by which quotas count what pods use.
var counted = []corev1.ResourceName{
	"pods",
	"count/pods",
	"cpu",
	"memory",
	"ephemeral-storage",
	"requests.cpu",
	"requests.memory",
	"requests.ephemeral-storage",
	"limits.cpu",
	"limits.memory",
	"limits.ephemeral-storage",
	"hugepages-2Mi",
	"requests.hugepages-2Mi",
	"requests.example.com/gpu",
}

// testUsage has kube-controller-manager count generated pods in every state of their lives, and
// compares what it counts.
func (s *suite) testUsage(t *testing.T) {
	pods, kinds := 0, map[string]int{}
	for want := cases(t); pods < want && !t.Failed(); {
		rapid.Check(t, func(t *rapid.T) {
			namespace := s.namespace(t)
			for i, life := range rapid.SliceOfN(lives(), 1, podsCounted).Draw(t, "pods") {
				if s.live(t, namespace, fmt.Sprint("pod-", i), life) {
					pods++
					kinds[life.kind()]++
				}
			}
			s.compareUsage(t, namespace)
		})
	}
	t.Logf("%d pods counted: %v", pods, kinds)
}

// life is a pod and what becomes of it.
type life struct {
	manifest *corev1.Pod
	status   corev1.PodStatus
	resized  []corev1.ResourceRequirements // of the containers, one after the other
	deleted  *int64                        // with this grace period
}

func (l *life) kind() string {
	if l.deleted != nil {
		return fmt.Sprintf("deleted with %ds", *l.deleted)
	}
	return string(l.status.Phase)
}

// isHuge reports whether a pod has so much memory that the quantity is changed in place when
// something is added to it. Of such a pod, where it has overhead and sets resources of the whole
// pod, kube-controller-manager 1.37.2 counts the overhead once more each time.
func isHuge(pod *corev1.Pod) bool {
	sets := []corev1.ResourceRequirements{*pod.Spec.Resources}
	for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		sets = append(sets, c.Resources)
	}
	return slices.ContainsFunc(sets, func(r corev1.ResourceRequirements) bool {
		return max(r.Limits.Memory().Value(), r.Requests.Memory().Value()) > 1<<50
	})
}

// lives generates pods in every state.
func lives() *rapid.Generator[*life] {
	return rapid.Custom(func(t *rapid.T) *life {
		l := &life{manifest: manifests().Draw(t, "manifest")}
		l.manifest.Finalizers = []string{"example.com/stays"}
		if l.manifest.Spec.Resources != nil && isHuge(l.manifest) {
			l.manifest.Spec.RuntimeClassName = nil
		}
		if rapid.Bool().Draw(t, "scheduled") {
			l.manifest.Spec.NodeName = "lost"
		}
		l.status.Phase = generate.OneOf(
			t,
			"phase",
			corev1.PodRunning,
			corev1.PodRunning,
			corev1.PodPending,
			corev1.PodUnknown,
			corev1.PodSucceeded,
			corev1.PodFailed,
		)
		if rapid.Bool().Draw(t, "has statuses") {
			for _, c := range l.manifest.Spec.Containers {
				l.status.ContainerStatuses = append(l.status.ContainerStatuses, containerStatus(t, c.Name))
			}
			for _, c := range l.manifest.Spec.InitContainers {
				l.status.InitContainerStatuses = append(l.status.InitContainerStatuses, containerStatus(t, c.Name))
			}
		}
		if reason := generate.OneOf(t, "resize", "", "", corev1.PodReasonInfeasible, corev1.PodReasonDeferred); reason != "" {
			l.status.Conditions = []corev1.PodCondition{
				{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: reason},
			}
		}
		if once(t, 4, "has a status of the whole pod") {
			l.status.Resources, l.status.AllocatedResources = optionally(t)
		}
		if rapid.Bool().Draw(t, "resized") {
			for range l.manifest.Spec.Containers {
				l.resized = append(l.resized, requirements(t, corev1.ResourceCPU, corev1.ResourceMemory))
			}
		}
		if seconds := generate.OneOf(t, "deleted", -1, -1, 0, 1, 3600); seconds >= 0 {
			l.deleted = new(int64(seconds))
		}
		return l
	})
}

func containerStatus(t *rapid.T, name string) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: name, Image: "registry.example.com/app:1"}
	status.Resources, status.AllocatedResources = optionally(t)
	return status
}

// optionally are the resources that a kubelet has given, and those that it has set aside.
func optionally(t *rapid.T) (*corev1.ResourceRequirements, corev1.ResourceList) {
	var given *corev1.ResourceRequirements
	var allocated corev1.ResourceList
	if rapid.Bool().Draw(t, "given") {
		r := requirements(t, corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage)
		given = &r
	}
	if rapid.Bool().Draw(t, "allocated") {
		allocated = requirements(t, corev1.ResourceCPU, corev1.ResourceMemory).Requests
	}
	return given, allocated
}

// live lets a pod live. It reports whether there is one: what the API server finds invalid is none.
func (s *suite) live(t reporter, namespace, name string, l *life) bool {
	t.Helper()
	pod := l.manifest.DeepCopy()
	pod.Namespace, pod.Name = namespace, name
	if err := s.admin.Create(s.ctx, pod); apierrors.IsInvalid(err) {
		return false
	} else if err != nil {
		t.Fatalf("creating a pod: %v\n%s", err, fixture.AsYAML(l.manifest))
	}
	l.status.QOSClass = pod.Status.QOSClass
	pod.Status = *l.status.DeepCopy()
	if err := s.admin.Status().Update(s.ctx, pod); err != nil {
		t.Fatalf("setting the status of a pod: %v\n%s", err, fixture.AsYAML(l.status))
	}
	if l.resized != nil {
		resized := pod.DeepCopy()
		for i, to := range l.resized {
			resize(&resized.Spec.Containers[i].Resources, to)
		}
		err := s.admin.SubResource("resize").Update(s.ctx, resized)
		if err != nil && !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			t.Fatalf("resizing a pod: %v\n%s", err, fixture.AsYAML(resized.Spec))
		}
	}
	if l.deleted != nil {
		if err := s.admin.Delete(s.ctx, pod, client.GracePeriodSeconds(*l.deleted)); err != nil {
			t.Fatalf("deleting a pod: %v", err)
		}
	}
	return true
}

// resize changes what is set. Nothing may be added or taken away.
func resize(r *corev1.ResourceRequirements, to corev1.ResourceRequirements) {
	for name, quantity := range to.Requests {
		if _, set := r.Requests[name]; set {
			r.Requests[name] = quantity
		}
	}
	for name, quantity := range to.Limits {
		if _, set := r.Limits[name]; set {
			r.Limits[name] = quantity
		}
	}
}

// compareUsage has the pods of a namespace counted until the count is what tightening makes it:
// kube-controller-manager may not have seen them all, and time passes. A change of the quota has it
// count again.
func (s *suite) compareUsage(t *rapid.T, namespace string) {
	quota := s.quota(t, namespace, wide(counted))
	var want corev1.ResourceList
	var pods corev1.PodList
	err := wait.PollUntilContextTimeout(
		s.ctx,
		100*time.Millisecond,
		20*time.Second,
		true,
		func(ctx context.Context) (bool, error) {
			if err := s.recount(ctx, quota); err != nil {
				return false, err
			}
			if err := s.admin.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
				return false, err
			}
			want = sumOf(pods.Items, time.Now())
			return cmp.Equal(want, quota.Status.Used), nil
		},
	)
	for i := range pods.Items {
		pods.Items[i].ManagedFields = nil
	}
	if err != nil {
		t.Fatalf(
			"%v; tightening counts (-) what kube-controller-manager does not (+):\n%s\n%s",
			err,
			cmp.Diff(want, quota.Status.Used),
			fixture.AsYAML(pods.Items),
		)
	}
}

// testGrace has pods counted again and again while their grace periods pass. A count is what
// tightening counts right before or after.
func (s *suite) testGrace(t *testing.T) {
	namespace := s.namespace(t)
	manifest := &corev1.Pod{
		Spec: corev1.PodSpec{
			ServiceAccountName: "run",
			NodeName:           "lost",
			Containers:         []corev1.Container{{Name: "app", Image: "app:1"}},
		},
	}
	manifest.Finalizers = []string{"example.com/stays"}
	for i := range 6 {
		s.live(t, namespace, fmt.Sprint("pod-", i), &life{
			manifest: manifest, status: corev1.PodStatus{Phase: corev1.PodRunning}, deleted: new(int64(i/2 + 1)),
		})
	}
	quota := s.quota(t, namespace, wide(counted))
	var pods corev1.PodList
	if err := s.admin.List(s.ctx, &pods, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	settled, charged := false, map[int64]int{}
	err := wait.PollUntilContextTimeout(
		s.ctx,
		50*time.Millisecond,
		time.Minute,
		true,
		func(ctx context.Context) (bool, error) {
			before := sumOf(pods.Items, time.Now())
			if err := s.recount(ctx, quota); err != nil {
				return false, err
			}
			after := sumOf(pods.Items, time.Now())
			most, least, got := before["pods"], after["pods"], quota.Status.Used["pods"]
			agrees := got.Cmp(most) <= 0 && got.Cmp(least) >= 0
			if settled = settled || agrees; !agrees && settled { // At first not all pods may have been seen.
				return false, fmt.Errorf(
					"kube-controller-manager counts %s pods, tightening %s before and %s after",
					&got,
					&most,
					&least,
				)
			}
			charged[got.Value()]++
			return got.IsZero() && settled, nil
		},
	)
	if err != nil || charged[6] == 0 || charged[2] == 0 {
		t.Errorf("%v; how often so many pods were charged: %v", err, charged)
	}
}

// recount changes a quota and waits until it is counted anew.
func (s *suite) recount(ctx context.Context, quota *corev1.ResourceQuota) error {
	most := quota.Spec.Hard["pods"]
	most.Add(resource.MustParse("1"))
	patch := client.MergeFrom(quota.DeepCopy())
	quota.Spec.Hard["pods"] = most
	if err := s.admin.Patch(ctx, quota, patch); err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 10*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := s.admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)
		seen := quota.Status.Hard["pods"]
		return seen.Cmp(most) == 0, err
	})
}

// sumOf is what tightening counts.
func sumOf(pods []corev1.Pod, now time.Time) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for _, name := range counted {
		sum[name] = resource.Quantity{}
	}
	for i := range pods {
		for name, quantity := range tightening.Usage(&pods[i], now) {
			if total, known := sum[name]; known {
				total.Add(quantity)
				sum[name] = total
			}
		}
	}
	return sum
}
