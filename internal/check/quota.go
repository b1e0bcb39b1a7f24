package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
		OfPods: o.Kind != "Pod", Answer: fmt.Sprintf("pods %q is forbidden: %s", o.podName(), words),
	})}
}

// fit holds the sum of what is needed against a quota. The result stands at whoever needs the most.
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
		result.OfPods, result.Path = largest.whereCounted(name)
		if _, ofPods := largest.need.usage[name]; !ofPods {
			result.Remedy = "Apply fewer of them, or have the quota raised."
		}
		results = append(results, s.result(largest, result))
	}
	return results
}

// whereCounted is where it stands how much an object needs of what a quota counts, and whether the
// quota counts it of the pods that are made of the object: then these are what it refuses.
func (o *object) whereCounted(name corev1.ResourceName) (ofPods bool, at []any) {
	if _, ofPods := o.need.usage[name]; ofPods {
		switch o.Kind {
		case "Pod":
			return false, path("spec")
		case "Job":
			return true, path("spec", "parallelism")
		case "CronJob":
			return true, path("spec", "jobTemplate", "spec", "parallelism")
		case "DaemonSet":
			return true, path("spec")
		}
		return true, path("spec", "replicas")
	}
	switch name {
	case corev1.ResourceServicesLoadBalancers, corev1.ResourceServicesNodePorts:
		return false, path("spec", "type")
	case corev1.ResourceRequestsStorage:
		return false, path("spec", "resources", "requests", "storage")
	}
	return false, path("kind") // There is to be none of it.
}

// result is a result on an object of the namespace.
func (s *space) result(o *object, r Result) Result {
	r.Object, r.Document, r.Profile = o.Reference, o.document, s.governor.profile.Name
	return r
}
