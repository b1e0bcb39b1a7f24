package offline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
)

// Rules are the rules for pods of one profile. They may be asked by several at once.
type Rules struct {
	*Evaluator
}

// Broken is what a pod breaks, by the name of the policy whose rules it breaks: the words of each
// rule.
type Broken map[string][]string

// NewRules makes the rules of a profile. It fails if an expression does not compile.
func NewRules(profile *v1alpha1.SecurityProfile) (*Rules, error) {
	e, err := evaluator(profile, bulwark.PodRules(profile))
	if err != nil {
		return nil, err
	}
	return &Rules{e}, nil
}

// Any reports whether there is a rule.
func (r *Rules) Any() bool { return len(r.policies) > 0 }

// Asked remembers what pods break, since those of one template break the same.
type Asked struct {
	rules     *Rules
	namespace *corev1.Namespace
	known     map[[sha256.Size]byte]Broken
}

// In asks the rules of pods of a namespace that the profile governs.
func (r *Rules) In(namespace *corev1.Namespace) *Asked {
	return &Asked{rules: r, namespace: namespace, known: map[[sha256.Size]byte]Broken{}}
}

// Of is what a pod that runs would break if it were made anew; nothing if it has ended.
func (a *Asked) Of(ctx context.Context, pod *corev1.Pod) (Broken, error) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil, nil
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(a.rules.anew(pod))
	if err != nil {
		return nil, fmt.Errorf("reading pod %s: %w", pod.Name, err)
	}
	delete(object, "status")
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("reading pod %s: %w", pod.Name, err)
	}
	key := sha256.Sum256(text)
	if broken, known := a.known[key]; known {
		return broken, nil
	}
	prepared, err := a.rules.Prepare(Request{Object: &unstructured.Unstructured{Object: object}, Namespace: a.namespace})
	if err != nil {
		return nil, err
	}
	broken := Broken{}
	for _, c := range a.rules.policies {
		if words := c.refusals(ctx, prepared.attributes, prepared.request); len(words) > 0 {
			broken[c.policy.Name] = words
		}
	}
	a.known[key] = broken
	return broken, nil
}

// anew is a pod as whoever made it would make another: without what came with its node, what the
// API server injected and who debugs it.
func (r *Rules) anew(pod *corev1.Pod) *corev1.Pod {
	another := &corev1.Pod{Spec: *pod.Spec.DeepCopy()}
	another.APIVersion, another.Kind = "v1", "Pod"
	spec := &another.Spec
	spec.NodeName, spec.Hostname, spec.EphemeralContainers = "", "", nil
	volume := slices.IndexFunc(spec.Volumes, injected)
	if spec.AutomountServiceAccountToken == nil && !r.knows(spec.ServiceAccountName) {
		spec.AutomountServiceAccountToken = ptr.To(volume >= 0) // As its service account says.
	}
	if volume >= 0 {
		name := spec.Volumes[volume].Name
		spec.Volumes = slices.Delete(spec.Volumes, volume, volume+1)
		for _, containers := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
			for i := range containers {
				containers[i].VolumeMounts = slices.DeleteFunc(
					containers[i].VolumeMounts,
					func(m corev1.VolumeMount) bool { return m.Name == name },
				)
			}
		}
	}
	return another
}

// injected reports whether a volume is what the API server mounts for the token of a service
// account.
func injected(volume corev1.Volume) bool {
	const seconds = 3607 // The API server's own, by which it tells those that it injects.
	if !strings.HasPrefix(volume.Name, bulwark.TokenVolumePrefix) || volume.Projected == nil {
		return false
	}
	return slices.ContainsFunc(volume.Projected.Sources, func(source corev1.VolumeProjection) bool {
		return source.ServiceAccountToken != nil && ptr.Deref(source.ServiceAccountToken.ExpirationSeconds, 0) == seconds
	})
}
