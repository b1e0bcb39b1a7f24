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

// need is what an object needs of a namespace's quotas.
type need struct {
	usage   corev1.ResourceList // of each pod, of what quotas count
	counted corev1.ResourceList // of the object itself
	within  map[string]bool     // whether the pods are of those that a quota with scopes counts, by its name
	scale   scaling
	// steady and peak are how many pods there are while nothing moves, and at most.
	steady, peak int64
}

// measure finds out what an object needs, and says for which quotas its pods do not say enough.
func (r *run) measure(o *object) []Result {
	if o.Namespace == "" || o.typed == nil {
		return nil
	}
	s := r.space(o.Namespace)
	if s == nil || s.governor == nil || len(s.quotas) == 0 {
		return nil
	}
	if o.Kind != "Pod" {
		o.need.counted = s.ofQuotas(countOf(o))
	}
	if o.made == nil {
		return nil
	}
	pod := tightening.Admitted(o.made, s.limits...)
	o.need.usage, o.need.scale = s.ofQuotas(tightening.Usage(pod, r.in.Now)), scalingOf(o)
	var results []Result
	for _, quota := range s.quotas {
		if scoped(quota) {
			if o.need.within == nil {
				o.need.within = map[string]bool{}
			}
			o.need.within[quota.Name] = inScope(quota, pod)
		}
		results = append(results, s.silent(quota, o, pod)...)
	}
	return results
}

// ofQuotas is what quotas of the namespace count of a list; nil if that is nothing.
func (s *space) ofQuotas(list corev1.ResourceList) corev1.ResourceList {
	var counted corev1.ResourceList
	for _, quota := range s.quotas {
		for name := range quota.Spec.Hard {
			if quantity, needed := list[name]; needed {
				if counted == nil {
					counted = corev1.ResourceList{}
				}
				counted[name] = quantity
			}
		}
	}
	return counted
}

func scoped(quota *corev1.ResourceQuota) bool { return len(quota.Spec.Scopes)+len(scopesOf(quota)) > 0 }

// quotas holds what all objects of a namespace need together against its quotas.
func (r *run) quotas() []Result {
	needing := map[string][]*object{}
	scalers := r.autoscalers()
	for _, o := range r.objects {
		if s := r.govs.spaces[o.Namespace]; s != nil && s.governor != nil && len(s.quotas) > 0 {
			o.need.steady, o.need.peak = o.need.scale.replicas(scalers[o.key()])
			needing[o.Namespace] = append(needing[o.Namespace], o)
		}
	}
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(needing)) {
		s := r.govs.spaces[name]
		for _, quota := range s.quotas {
			results = append(results, s.fit(quota, needing[name])...)
		}
	}
	return results
}

// of is how much an object needs of what a quota counts, with so many pods.
func (n *need) of(name corev1.ResourceName, pods int64) resource.Quantity {
	all := n.usage[name].DeepCopy()
	all.Mul(pods) // It goes on without bounds if it has to.
	all.Add(n.counted[name])
	return all
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

// scaling is how many pods there are of an object. Of a DaemonSet one is counted, since it is not
// known how many nodes there are.
type scaling struct {
	steady, peak int64 // of what an autoscaler does not change
	scales       bool
	wanted       int64
	surge        *intstr.IntOrString // nil if none is made before another has gone
}

func scalingOf(o *object) scaling {
	scales := func(replicas *int32) scaling { return scaling{scales: true, wanted: int64(ptr.Deref(replicas, 1))} }
	switch t := o.typed.(type) {
	case *appsv1.Deployment:
		s := scales(t.Spec.Replicas)
		if t.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
			s.surge = ptr.To(intstr.FromString("25%"))
			if rolling := t.Spec.Strategy.RollingUpdate; rolling != nil && rolling.MaxSurge != nil {
				s.surge = rolling.MaxSurge
			}
		}
		return s
	case *appsv1.StatefulSet:
		return scales(t.Spec.Replicas)
	case *appsv1.ReplicaSet:
		return scales(t.Spec.Replicas)
	case *corev1.ReplicationController:
		return scales(t.Spec.Replicas)
	case *batchv1.Job:
		return scaling{steady: parallel(&t.Spec), peak: parallel(&t.Spec)}
	case *batchv1.CronJob:
		return scaling{peak: parallel(&t.Spec.JobTemplate.Spec)}
	}
	return scaling{steady: 1, peak: 1}
}

// replicas are how many pods there are while nothing moves, and at most.
func (s *scaling) replicas(scaled autoscalingv2.HorizontalPodAutoscalerSpec) (steady, peak int64) {
	if !s.scales {
		return s.steady, s.peak
	}
	steady = s.wanted
	if scaled.MaxReplicas > 0 {
		steady = int64(ptr.Deref(scaled.MinReplicas, 1))
	}
	peak = max(steady, int64(scaled.MaxReplicas))
	if s.surge != nil {
		if more, err := intstr.GetScaledValueFromIntOrPercent(s.surge, int(peak), true); err == nil {
			peak += int64(more)
		}
	}
	return steady, peak
}

func parallel(job *batchv1.JobSpec) int64 {
	n := ptr.Deref(job.Parallelism, 1)
	if job.Completions != nil {
		n = min(n, *job.Completions)
	}
	return int64(n)
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
func (s *space) silent(quota *corev1.ResourceQuota, o *object, pod *corev1.Pod) []Result {
	if !inScope(quota, pod) {
		return nil
	}
	of := tightening.Unsaid(quota.Spec.Hard, pod)
	if of == "" {
		return nil
	}
	field, name := string(of), ""
	list := "requests"
	if rest, isLimit := strings.CutPrefix(field, "limits."); isLimit {
		list, field = "limits", rest
	}
	field = strings.TrimPrefix(field, "requests.")
	at := o.within("spec")
	var silent []string
	for _, c := range containersOf(&pod.Spec) {
		have := c.Resources.Requests
		if list == "limits" {
			have = c.Resources.Limits
		}
		if _, said := have[corev1.ResourceName(field)]; !said {
			if len(silent) == 0 {
				at, name = o.within(append(slices.Clone(c.path), "resources", list, field)...), c.Name
			}
			silent = append(silent, c.Name)
		}
	}
	words := fmt.Sprintf("failed quota: %s: must specify %s for: %s", quota.Name, of, strings.Join(silent, ","))
	return []Result{s.result(o, Result{
		Rule: ruleQuotaSilent, Action: Deny, Severity: v1alpha1.SeverityMedium, Message: words, Container: name, Path: at,
		OfPods: o.Kind != "Pod", Answer: fmt.Sprintf("pods %q is forbidden: %s", o.Name, words),
	})}
}

// fit holds the sum of what is needed against a quota. What is said stands at whoever needs the
// most.
func (s *space) fit(quota *corev1.ResourceQuota, needing []*object) []Result {
	var results []Result
	for _, name := range slices.Sorted(maps.Keys(quota.Spec.Hard)) {
		hard := quota.Spec.Hard[name]
		var steady, peak, most resource.Quantity
		var largest *object
		for _, o := range needing {
			if scoped(quota) && !o.need.within[quota.Name] {
				continue
			}
			steady.Add(o.need.of(name, o.need.steady))
			has := o.need.of(name, o.need.peak)
			peak.Add(has)
			if has.Cmp(most) > 0 {
				most, largest = has, o
			}
		}
		result := Result{
			Rule:      ruleQuotaFits,
			Action:    Deny,
			Severity:  v1alpha1.SeverityMedium,
			OfPods:    true,
			Container: quota.Name + "/" + string(name),
		}
		switch {
		case largest == nil:
			continue
		case steady.Cmp(hard) > 0:
			result.Message = fmt.Sprintf(
				"all that is applied to namespace %s needs %s of %s together, and ResourceQuota %s grants %s",
				s.namespace.Name,
				steady.String(),
				name,
				quota.Name,
				hard.String(),
			)
		case peak.Cmp(hard) > 0:
			result.Rule, result.Action, result.Severity = ruleQuotaPeak, Warn, v1alpha1.SeverityLow
			result.Message = fmt.Sprintf(
				"all that is applied to namespace %s needs up to %s of %s together, while it is rolled out or scaled, "+
					"and ResourceQuota %s grants %s",
				s.namespace.Name,
				peak.String(),
				name,
				quota.Name,
				hard.String(),
			)
		default:
			continue
		}
		result.Path = path("spec", "replicas")
		if largest.Kind == "Pod" || !largest.makesPods {
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
		if !matchesScope(
			corev1.ScopedResourceSelectorRequirement{ScopeName: scope, Operator: corev1.ScopeSelectorOpExists},
			pod,
		) {
			return false
		}
	}
	return !slices.ContainsFunc(
		scopesOf(quota),
		func(scope corev1.ScopedResourceSelectorRequirement) bool { return !matchesScope(scope, pod) },
	)
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
