package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// need is what an object needs of a namespace's quotas: while nothing moves, and at most.
type need struct {
	object       *object
	pod          *corev1.Pod // as admitted; nil if it makes none
	steady, peak corev1.ResourceList
}

// quotas holds what all objects of a namespace need together against its quotas.
func (r *run) quotas() []Result {
	needs := map[string][]need{}
	scalers := r.autoscalers()
	for _, o := range r.objects {
		if s := r.govs.spaces[o.Namespace]; s != nil && s.governor != nil && len(s.quotas) > 0 && o.typed != nil {
			needs[o.Namespace] = append(needs[o.Namespace], r.needOf(o, s, scalers))
		}
	}
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		s := r.govs.spaces[name]
		for _, quota := range s.quotas {
			results = append(results, s.silent(quota, needs[name])...)
			results = append(results, s.fit(quota, needs[name])...)
		}
	}
	return results
}

// autoscalers are the most replicas that something is scaled to, by what it is.
func (r *run) autoscalers() map[key]autoscalingv2.HorizontalPodAutoscalerSpec {
	scalers := map[key]autoscalingv2.HorizontalPodAutoscalerSpec{}
	for _, o := range r.objects {
		if hpa, ok := o.typed.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			scalers[key{hpa.Spec.ScaleTargetRef.Kind, o.Namespace, hpa.Spec.ScaleTargetRef.Name}] = hpa.Spec
		}
	}
	return scalers
}

func (r *run) needOf(o *object, s *space, scalers map[key]autoscalingv2.HorizontalPodAutoscalerSpec) need {
	n := need{object: o, steady: corev1.ResourceList{}, peak: corev1.ResourceList{}}
	if o.Kind != "Pod" {
		one := countOf(o)
		addTimes(n.steady, one, 1)
		addTimes(n.peak, one, 1)
	}
	if o.made == nil {
		return n
	}
	n.pod = tightening.Admitted(o.made, s.limits...)
	steady, peak := replicas(o, scalers[o.key()])
	usage := tightening.Usage(n.pod, r.in.Now)
	addTimes(n.steady, usage, steady)
	addTimes(n.peak, usage, peak)
	return n
}

// replicas are how many pods there are of an object while nothing moves, and at most. Of a DaemonSet one is counted, since it is not known
// how many nodes there are.
func replicas(o *object, scaled autoscalingv2.HorizontalPodAutoscalerSpec) (steady, peak int64) {
	switch t := o.typed.(type) {
	case *appsv1.Deployment:
		steady, peak = scale(t.Spec.Replicas, scaled)
		if t.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			surge := intstr.FromString("25%")
			if rolling := t.Spec.Strategy.RollingUpdate; rolling != nil && rolling.MaxSurge != nil {
				surge = *rolling.MaxSurge
			}
			if more, err := intstr.GetScaledValueFromIntOrPercent(&surge, int(peak), true); err == nil {
				peak += int64(more)
			}
		}
	case *appsv1.StatefulSet:
		return scale(t.Spec.Replicas, scaled)
	case *appsv1.ReplicaSet:
		return scale(t.Spec.Replicas, scaled)
	case *corev1.ReplicationController:
		return scale(t.Spec.Replicas, scaled)
	case *batchv1.Job:
		return parallel(&t.Spec), parallel(&t.Spec)
	case *batchv1.CronJob:
		return 0, parallel(&t.Spec.JobTemplate.Spec)
	default:
		return 1, 1
	}
	return steady, peak
}

func scale(replicas *int32, scaled autoscalingv2.HorizontalPodAutoscalerSpec) (steady, peak int64) {
	steady = int64(ptr.Deref(replicas, 1))
	if scaled.MaxReplicas > 0 {
		steady = int64(ptr.Deref(scaled.MinReplicas, 1))
	}
	return steady, max(steady, int64(scaled.MaxReplicas))
}

func parallel(job *batchv1.JobSpec) int64 {
	n := ptr.Deref(job.Parallelism, 1)
	if job.Completions != nil {
		n = min(n, *job.Completions)
	}
	return int64(n)
}

func addTimes(to, from corev1.ResourceList, times int64) {
	for name, quantity := range from {
		sum := to[name]
		more := quantity.DeepCopy()
		more.Mul(times) // It goes on without bounds if it has to.
		sum.Add(more)
		to[name] = sum
	}
}

// countOf is what a quota counts of an object that is no pod.
func countOf(o *object) corev1.ResourceList {
	one := *resource.NewQuantity(1, resource.DecimalSI)
	gvr, _ := meta.UnsafeGuessKindToResource(schema.FromAPIVersionAndKind(o.APIVersion, o.Kind))
	counted := corev1.ResourceList{corev1.ResourceName("count/" + gvr.GroupResource().String()): one}
	switch t := o.typed.(type) {
	case *corev1.Service:
		counted[corev1.ResourceServices] = one
		switch t.Spec.Type {
		case corev1.ServiceTypeLoadBalancer:
			counted[corev1.ResourceServicesLoadBalancers] = one
			if ptr.Deref(t.Spec.AllocateLoadBalancerNodePorts, true) {
				counted[corev1.ResourceServicesNodePorts] = *resource.NewQuantity(int64(len(t.Spec.Ports)), resource.DecimalSI)
			}
		case corev1.ServiceTypeNodePort:
			counted[corev1.ResourceServicesNodePorts] = *resource.NewQuantity(int64(len(t.Spec.Ports)), resource.DecimalSI)
		}
	case *corev1.PersistentVolumeClaim:
		counted[corev1.ResourcePersistentVolumeClaims] = one
		counted[corev1.ResourceRequestsStorage] = t.Spec.Resources.Requests[corev1.ResourceStorage]
	case *corev1.ConfigMap, *corev1.Secret, *corev1.ReplicationController, *corev1.ResourceQuota:
		counted[corev1.ResourceName(gvr.Resource)] = one
	}
	return counted
}

// silent are the pods that a quota refuses, since they do not say how much they need.
func (s *space) silent(quota *corev1.ResourceQuota, needs []need) []Result {
	var results []Result
	for _, n := range needs {
		if n.pod == nil || !inScope(quota, n.pod) {
			continue
		}
		of := tightening.Unsaid(quota.Spec.Hard, n.pod)
		if of == "" {
			continue
		}
		field, name := string(of), ""
		list := "requests"
		if rest, isLimit := strings.CutPrefix(field, "limits."); isLimit {
			list, field = "limits", rest
		}
		field = strings.TrimPrefix(field, "requests.")
		at := n.object.within("spec")
		var silent []string
		for _, c := range containersOf(&n.pod.Spec) {
			have := c.Resources.Requests
			if list == "limits" {
				have = c.Resources.Limits
			}
			if _, said := have[corev1.ResourceName(field)]; !said {
				if len(silent) == 0 {
					at, name = n.object.within(append(slices.Clone(c.path), "resources", list, field)...), c.Name
				}
				silent = append(silent, c.Name)
			}
		}
		words := fmt.Sprintf("failed quota: %s: must specify %s for: %s", quota.Name, of, strings.Join(silent, ","))
		results = append(results, s.result(n.object, Result{
			Rule: ruleQuotaSilent, Action: Deny, Severity: v1alpha1.Medium, Message: words, Container: name, Path: at,
			OfPods: n.object.Kind != "Pod", Answer: fmt.Sprintf("pods %q is forbidden: %s", n.object.Name, words),
		}))
	}
	return results
}

// fit holds the sum of what is needed against a quota. What is said stands at whoever needs the most.
func (s *space) fit(quota *corev1.ResourceQuota, needs []need) []Result {
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
		hard := quota.Spec.Hard[name]
		var steady, peak, most resource.Quantity
		var largest *object
		for _, n := range needs {
			if len(quota.Spec.Scopes)+len(scopesOf(quota)) > 0 && (n.pod == nil || !inScope(quota, n.pod)) {
				continue
			}
			steady.Add(n.steady[name])
			peak.Add(n.peak[name])
			if has := n.peak[name]; has.Cmp(most) > 0 {
				most, largest = has, n.object
			}
		}
		result := Result{Rule: ruleQuotaFits, Action: Deny, Severity: v1alpha1.Medium, OfPods: true, Container: quota.Name + "/" + string(name)}
		switch {
		case largest == nil:
			continue
		case steady.Cmp(hard) > 0:
			result.Message = fmt.Sprintf("all that is applied to namespace %s needs %s of %s together, and ResourceQuota %s grants %s",
				s.namespace.Name, steady.String(), name, quota.Name, hard.String())
		case peak.Cmp(hard) > 0:
			result.Rule, result.Action, result.Severity = ruleQuotaPeak, Warn, v1alpha1.Low
			result.Message = fmt.Sprintf("all that is applied to namespace %s needs up to %s of %s together, while it is rolled out or scaled, "+
				"and ResourceQuota %s grants %s", s.namespace.Name, peak.String(), name, quota.Name, hard.String())
		default:
			continue
		}
		result.Path = path("spec", "replicas")
		if largest.Kind == "Pod" || largest.made == nil {
			result.Path = path("spec")
		}
		results = append(results, s.result(largest, result))
	}
	return results
}

// result is a result on an object of the namespace.
func (s *space) result(o *object, r Result) Result {
	r.Object, r.Document, r.Profile = o.Reference, o.document, s.governor.profile.Name
	return r
}

func scopesOf(quota *corev1.ResourceQuota) []corev1.ScopedResourceSelectorRequirement {
	if quota.Spec.ScopeSelector == nil {
		return nil
	}
	return quota.Spec.ScopeSelector.MatchExpressions
}

// inScope reports whether a quota counts a pod.
func inScope(quota *corev1.ResourceQuota, pod *corev1.Pod) bool {
	for _, scope := range quota.Spec.Scopes {
		if !matchesScope(corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists}, pod) {
			return false
		}
	}
	return !slices.ContainsFunc(scopesOf(quota), func(scope corev1.ScopedResourceSelectorRequirement) bool { return !matchesScope(scope, pod) })
}

func matchesScope(scope corev1.ScopedResourceSelectorRequirement, pod *corev1.Pod) bool {
	switch scope.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return pod.Spec.ActiveDeadlineSeconds != nil
	case corev1.ResourceQuotaScopeNotTerminating:
		return pod.Spec.ActiveDeadlineSeconds == nil
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort(pod)
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort(pod)
	case corev1.ResourceQuotaScopePriorityClass:
		has := pod.Spec.PriorityClassName != ""
		switch scope.Operator {
		case corev1.ScopeSelectorOpIn:
			return slices.Contains(scope.Values, pod.Spec.PriorityClassName)
		case corev1.ScopeSelectorOpNotIn:
			return !slices.Contains(scope.Values, pod.Spec.PriorityClassName)
		case corev1.ScopeSelectorOpDoesNotExist:
			return !has
		}
		return has
	}
	return false // Of other scopes it is not known what a pod of them is.
}

func bestEffort(pod *corev1.Pod) bool {
	return !slices.ContainsFunc(containersOf(&pod.Spec), func(c containerAt) bool {
		return len(c.Resources.Requests)+len(c.Resources.Limits) > 0
	}) && (pod.Spec.Resources == nil || len(pod.Spec.Resources.Requests)+len(pod.Spec.Resources.Limits) == 0)
}
