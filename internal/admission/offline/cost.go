package offline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
)

// Cost is what each policy spends on a request that it is about, by the policy's name, in CEL's
// cost units, of which the API server spends celconfig.RuntimeCELCostBudget on one policy and then
// fails, which refuses the request. A policy that spends more is an error, and has no cost; the
// others have theirs. A request without a namespace is one in a namespace that the profile governs.
func (e *Evaluator) Cost(ctx context.Context, request Request) (map[string]int64, error) {
	anywhere := request.Namespace == nil
	if anywhere {
		// A name is matched with globs, and is the dearer the longer it is.
		request.Namespace = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("n", longestName)}}
	}
	prepared, err := e.Prepare(request)
	if err != nil {
		return nil, err
	}
	attributes := prepared.attributes
	var params runtime.Object = &v1alpha1.NamespacePosture{}
	if request.Posture != nil {
		params = request.Posture
	}
	costs := map[string]int64{}
	var failures []error
	for _, c := range e.policies {
		matches := c.about(attributes)
		if !anywhere {
			if matches, err = c.matches(attributes, request.Namespace); err != nil {
				return nil, err
			}
		}
		if !matches {
			continue
		}
		cost, err := c.cost(ctx, attributes, params, request.Namespace)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		costs[c.policy.Name] = cost
	}
	return costs, errors.Join(failures...)
}

// Costliest is what the costliest of a profile's policies spends on the heaviest pod, in percent of
// what the API server spends at most, rounded up. It is an error if that is not enough.
func Costliest(ctx context.Context, profile *v1alpha1.SecurityProfile, policies []admission.Policy) (int64, error) {
	e, err := evaluator(profile, policies)
	if err != nil {
		return 0, err
	}
	var most int64
	for _, request := range HeaviestRequests() {
		costs, err := e.Cost(ctx, request)
		if err != nil {
			return 0, err
		}
		for _, cost := range costs {
			most = max(most, cost)
		}
	}
	return (100*most + celconfig.RuntimeCELCostBudget - 1) / celconfig.RuntimeCELCostBudget, nil
}

const (
	// longestName is the longest name that a namespace, a container, a volume or a host may have.
	longestName = 63
	// heaviestContainers are the containers of the heaviest pod: far more than pods have.
	heaviestContainers = 64
)

// HeaviestRequests are those by which the cost of policies is judged: the heaviest pod is created,
// and is changed in all that is judged of it, so that each container is held against the one that
// was there before.
func HeaviestRequests() []Request {
	before := HeaviestPod()
	eachContainer(before, func(container map[string]any) {
		container["image"] = fmt.Sprint(container["image"]) + "0"
		container["imagePullPolicy"] = "Always"
		container["ports"] = append(slices.Clone(container["ports"].([]any)), map[string]any{"containerPort": int64(1)})
		container["livenessProbe"], container["readinessProbe"], container["startupProbe"] = map[string]any{}, map[string]any{}, map[string]any{}
		container["resources"] = map[string]any{
			"requests": map[string]any{"cpu": "1", "memory": "1", "ephemeral-storage": "1"},
			"limits":   map[string]any{"cpu": "1", "memory": "1", "ephemeral-storage": "1"},
		}
		container["securityContext"] = map[string]any{
			"capabilities": map[string]any{"drop": []any{"NET_RAW", "CHOWN", "KILL"}},
		}
		for _, m := range container["volumeMounts"].([]any) {
			m.(map[string]any)["readOnly"] = false
		}
	})
	return []Request{{Object: HeaviestPod()}, {Object: HeaviestPod(), OldObject: before}}
}

// HeaviestPod is the pod by which the cost of policies is judged: 64 containers of all kinds that
// break every rule, each at the end of what it is looked at for, so that nothing is decided early.
func HeaviestPod() *unstructured.Unstructured {
	volumes, mounts := heaviestVolumes()
	var ports []any
	for n := range 8 {
		ports = append(ports, map[string]any{"containerPort": int64(60000 + n)})
	}
	byKind := map[string][]any{}
	for n := range heaviestContainers {
		kind := "containers"
		switch n % 4 {
		case 2:
			kind = "initContainers"
		case 3:
			kind = "ephemeralContainers"
		}
		container := map[string]any{
			"name":            name("container", n),
			"image":           heaviestImage(n),
			"imagePullPolicy": "Never",
			"ports":           ports,
			"volumeMounts":    mounts,
			"securityContext": map[string]any{
				"runAsNonRoot":           true,
				"runAsUser":              int64(0),
				"readOnlyRootFilesystem": false,
				"capabilities": map[string]any{
					"drop": []any{"NET_RAW", "CHOWN", "ALL"},
					"add":  []any{"NET_BIND_SERVICE", "SYS_ADMIN"},
				},
				"seccompProfile":  map[string]any{"type": "Unconfined"},
				"appArmorProfile": map[string]any{"type": "Unconfined"},
				"seLinuxOptions":  map[string]any{"type": "spc_t"},
			},
		}
		if kind == "initContainers" {
			container["restartPolicy"] = "Always" // A sidecar, of which probes are asked.
		}
		byKind[kind] = append(byKind[kind], container)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Pod",
		"metadata":   map[string]any{"name": name("pod", 0), "namespace": name("namespace", 0)},
		"spec": map[string]any{
			"hostNetwork":         true,
			"volumes":             volumes,
			"tolerations":         heaviestTolerations(),
			"nodeName":            name("node", 0),
			"priorityClassName":   name("priority", 0),
			"containers":          byKind["containers"],
			"initContainers":      byKind["initContainers"],
			"ephemeralContainers": byKind["ephemeralContainers"],
		},
	}}
}

// heaviestImage is as long as a repository's name may be, and of no registry that is allowed.
func heaviestImage(n int) string {
	return "docker.io/" + name("image", n) + strings.Repeat("/"+strings.Repeat("i", longestName), 3) + ":latest"
}

// heaviestVolumes are host paths, the mounts of them that each container has, and images.
func heaviestVolumes() (volumes, mounts []any) {
	for n := range 16 {
		volumes = append(volumes, map[string]any{
			"name": name(
				"volume",
				n,
			),
			"hostPath": map[string]any{"path": "/" + strings.Repeat("p", longestName) + "/" + name("path", n)},
		})
		mounts = append(
			mounts,
			map[string]any{"name": name("volume", n), "mountPath": fmt.Sprintf("/mnt/%d", n), "readOnly": true},
		)
		volumes = append(
			volumes,
			map[string]any{
				"name":  name("artifact", n),
				"image": map[string]any{"reference": heaviestImage(n), "pullPolicy": "Never"},
			},
		)
	}
	return volumes, mounts
}

func heaviestTolerations() []any {
	var tolerations []any
	for n := range 16 {
		tolerations = append(tolerations, map[string]any{
			"key": name("taint", n), "operator": "Equal", "value": name("value", n), "effect": "NoSchedule",
		})
	}
	return tolerations
}

// name is a name that is as long as it may be, and differs from others of its kind at its end.
func name(kind string, n int) string {
	number := fmt.Sprint(n)
	return kind + strings.Repeat("-", longestName-len(kind)-len(number)) + number
}
