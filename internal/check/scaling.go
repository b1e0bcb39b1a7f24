package check

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// autoscalers are the most replicas that something is scaled to, by what it is.
func (r *run) autoscalers() map[key]autoscalingv2.HorizontalPodAutoscalerSpec {
	scalers := map[key]autoscalingv2.HorizontalPodAutoscalerSpec{}
	for _, o := range r.objects {
		switch hpa := o.typed.(type) {
		case *autoscalingv2.HorizontalPodAutoscaler:
			scalers[key{hpa.Spec.ScaleTargetRef.Kind, o.Namespace, hpa.Spec.ScaleTargetRef.Name}] = hpa.Spec
		case *autoscalingv1.HorizontalPodAutoscaler:
			scalers[key{hpa.Spec.ScaleTargetRef.Kind, o.Namespace, hpa.Spec.ScaleTargetRef.Name}] =
				autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: hpa.Spec.MinReplicas, MaxReplicas: hpa.Spec.MaxReplicas}
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
