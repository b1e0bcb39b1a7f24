package check

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/internal/admission/offline"
)

// judge holds an object against the profile: the request that applies it, and then the pods that a
// controller makes of it.
func (j judgement) judge(ctx context.Context, r *run, o *object, found *collected) error {
	found.profile = j.profile.Name
	request := offline.Request{Object: o.unstructured, User: r.in.User, Authorizer: j.rights}
	if j.space != nil {
		request.Namespace, request.Posture = j.space.namespace, j.space.posture
	}
	old := r.old[o.key()]
	if old != nil {
		request.OldObject = old.unstructured
	}
	if o.Kind == "Pod" {
		return j.pods(ctx, o, request, found)
	}
	prepared, err := j.evaluator.Prepare(request)
	if err != nil {
		return err
	}
	if err := j.policies(ctx, o, prepared, false, found); err != nil || o.manifest == nil || j.space == nil {
		return err
	}
	if err := j.template(ctx, r, o, old, found); err != nil {
		return err
	}
	return j.pods(ctx, o, offline.Request{
		Object:     o.manifest,
		User:       controllerOf(o.Kind),
		Authorizer: j.rights,
		Namespace:  j.space.namespace,
		Posture:    j.space.posture,
	}, found)
}

// pods holds the pods of an object against the profile: itself, or those that a controller makes.
func (j judgement) pods(ctx context.Context, o *object, request offline.Request, found *collected) error {
	if o.manifest == nil || j.space == nil {
		return nil
	}
	said, err := j.ofPod(ctx, o, request)
	if err != nil {
		return err
	}
	found.unjudged = append(found.unjudged, said.unjudged...)
	raw, answer := "", ""
	for _, result := range said.results {
		if result.Answer != raw { // One answer is that of several results.
			raw = result.Answer
			answer = strings.ReplaceAll(raw, strconv.Quote(podName), strconv.Quote(o.podName()))
		}
		result.Answer = answer
		found.add(result)
	}
	return nil
}

// podName stands for the name of a pod that a controller makes, which answers have in quotes.
const podName = "\x00pod\x00"

// podName is the name of an object's pods: its own, or what the names of those begin with that a
// controller makes.
func (o *object) podName() string {
	if o.Kind == "Pod" {
		return o.Name
	}
	return o.Name + "-"
}

// mostKnown is of how many pods it is remembered what was said.
const mostKnown = 2048

// outcome is what was said of a pod.
type outcome struct {
	results  []Result
	unjudged []error
}

// ofPod is what is said of a pod: of those that are alike it is found out once.
func (j judgement) ofPod(ctx context.Context, o *object, request offline.Request) (*outcome, error) {
	if request.OldObject != nil {
		pods := &collected{object: o}
		err := j.pod(ctx, o, request, pods)
		return &outcome{pods.results, pods.unjudged}, err
	}
	memo, err := memoOf(o, j.space.namespace.Name)
	if err != nil {
		return nil, fmt.Errorf("reading its pod: %w", err)
	}
	j.mu.Lock()
	known := j.known[memo]
	j.mu.Unlock()
	if known != nil {
		return known, nil
	}
	pods := &collected{object: o}
	if err := j.pod(ctx, o, request, pods); err != nil {
		return nil, err
	}
	said := &outcome{pods.results, pods.unjudged}
	j.mu.Lock()
	if len(j.known) >= mostKnown {
		clear(j.known)
	}
	j.known[memo] = said
	j.mu.Unlock()
	return said, nil
}

// memoOf is the same of pods that are alike: of one that a controller makes, the name is nobody's
// to choose, and no rule reads it.
func memoOf(o *object, namespace string) ([sha256.Size]byte, error) {
	var pod []byte
	var err error
	if o.Kind == "Pod" {
		pod, err = o.document.JSON()
	} else {
		pod, err = json.Marshal([]any{o.manifest.Object["spec"], o.made.Annotations})
	}
	return sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", namespace, o.Kind, pod)), err
}

// pod holds a pod against everything, in the API server's order.
func (j judgement) pod(ctx context.Context, o *object, request offline.Request, found *collected) error {
	ofPods := o.Kind != "Pod"
	if request.OldObject == nil {
		limits(o, o.made, j.space.limits, ofPods, found)
	}
	prepared, err := j.evaluator.Prepare(request)
	if err != nil {
		return err
	}
	admitted, err := typedPodOf(prepared.Object)
	if err != nil {
		return err
	}
	var old kruntime.Object
	if request.OldObject != nil {
		if old, err = typedPodOf(request.OldObject); err != nil {
			return err
		}
	}
	name := o.Name
	if ofPods {
		name = podName
	}
	said, err := j.security.validate(ctx, j.space.namespace, attributes(
		corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithResource("pods"),
		j.space.namespace.Name, name, request.User.GetName(), admitted, old))
	if err != nil {
		return err
	}
	if err := j.securityResults(o, admitted, said, ofPods, found); err != nil {
		return err
	}
	return j.policies(ctx, o, prepared, ofPods, found)
}

// typedPodOf is a pod in Kubernetes' types, with the API server's defaults.
func typedPodOf(object *unstructured.Unstructured) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := kruntime.DefaultUnstructuredConverter.FromUnstructured(object.Object, pod); err != nil {
		return nil, fmt.Errorf("reading the pod: %w", err)
	}
	defaultVolumes(&pod.Spec)
	defaultHostPorts(pod)
	return pod, nil
}

// controllerOf is the user that makes pods of a kind.
func controllerOf(kind string) user.Info {
	name := map[string]string{
		"Deployment": "replicaset-controller", "ReplicaSet": "replicaset-controller", "StatefulSet": "statefulset-controller",
		"DaemonSet": "daemon-set-controller", "ReplicationController": "replication-controller", "Job": "job-controller", "CronJob": "job-controller",
	}[kind]
	return serviceaccount.UserInfo("kube-system", name, "")
}
