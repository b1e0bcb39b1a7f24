package check

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

// The API server fills in defaults before it judges, of which Pod Security reads two
// (k8s.io/kubernetes/pkg/apis/core/v1 defaults.go).

// defaultHostPorts gives ports in the host's network that of the host, in a pod and not in a
// template.
func defaultHostPorts(pod *corev1.Pod) {
	if !pod.Spec.HostNetwork {
		return
	}
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range containers {
			for k := range containers[i].Ports {
				if port := &containers[i].Ports[k]; port.HostPort == 0 {
					port.HostPort = port.ContainerPort
				}
			}
		}
	}
}

// defaultVolumes makes an emptyDir of a volume that does not say what it is.
func defaultVolumes(spec *corev1.PodSpec) {
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.VolumeSource == (corev1.VolumeSource{}) {
			v.EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
}

// templateOf is the pod spec in an object that has a template; nil of another.
func templateOf(o kruntime.Object) *corev1.PodSpec {
	if template := podTemplateOf(o); template != nil {
		return &template.Spec
	}
	return nil
}

// templateMetaOf is the metadata in an object that has a template.
func templateMetaOf(o kruntime.Object) *metav1.ObjectMeta { return &podTemplateOf(o).ObjectMeta }

func podTemplateOf(o kruntime.Object) *corev1.PodTemplateSpec {
	switch t := o.(type) {
	case *appsv1.Deployment:
		return &t.Spec.Template
	case *appsv1.ReplicaSet:
		return &t.Spec.Template
	case *appsv1.StatefulSet:
		return &t.Spec.Template
	case *appsv1.DaemonSet:
		return &t.Spec.Template
	case *batchv1.Job:
		return &t.Spec.Template
	case *batchv1.CronJob:
		return &t.Spec.JobTemplate.Spec.Template
	case *corev1.PodTemplate:
		return &t.Template
	case *corev1.ReplicationController:
		return t.Spec.Template
	}
	return nil
}
