package offline

import (
	"fmt"
	"iter"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// asAdmitted is the object as policies are shown it: as decoded, and a pod that is created with
// what the API server's other admission plugins add to it that policies ask for. A template is not
// changed by them.
func (e *Evaluator) asAdmitted(request Request) *unstructured.Unstructured {
	if request.OldObject != nil {
		return updated(request.Object)
	}
	object := decoded(request.Object)
	if object != nil && object.GetKind() == "Pod" {
		confine(object)
		e.limit(object)
		e.mountToken(object)
	}
	return object
}

// decoded is a manifest as it is once the API server has read it: without nulls, and with a spec if
// it is of a kind that always has one and may be left out.
func decoded(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	if manifest == nil {
		return nil
	}
	object := &unstructured.Unstructured{Object: withoutNulls(manifest.Object).(map[string]any)}
	switch object.GetKind() {
	case "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange":
		child(object.Object, "spec")
	}
	return object
}

func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for key, element := range v {
			switch {
			case element == nil:
			case key == "requests" || key == "limits":
				kept[key] = quantities(withoutNulls(element))
			default:
				kept[key] = withoutNulls(element)
			}
		}
		return kept
	case []any:
		kept := make([]any, 0, len(v))
		for _, element := range v {
			kept = append(kept, withoutNulls(element))
		}
		return kept
	}
	return value
}

// quantities are strings, as decoding has them, though a manifest may hold numbers.
func quantities(list any) any {
	resources, ok := list.(map[string]any)
	if !ok {
		return list
	}
	for name, quantity := range resources {
		if _, ok := quantity.(string); !ok {
			resources[name] = fmt.Sprint(quantity)
		}
	}
	return resources
}

// limit gives containers the requests and limits that they lack, as the admission plugin
// LimitRanger does by the profile's LimitRange.
func (e *Evaluator) limit(pod *unstructured.Unstructured) {
	item := baseline.ContainerLimits(e.profile)
	eachContainer(pod, func(container map[string]any) {
		resources := child(container, "resources")
		limits, requests := child(resources, "limits"), child(resources, "requests")
		for name, quantity := range limits { // As the API server's defaults have it, before the plugin.
			if _, given := requests[name]; !given {
				requests[name] = quantity
			}
		}
		for name, quantity := range item.Default {
			if _, given := limits[string(name)]; !given {
				limits[string(name)] = quantity.String()
			}
		}
		for name, quantity := range item.DefaultRequest {
			if _, given := requests[string(name)]; !given {
				requests[string(name)] = quantity.String()
			}
		}
	})
}

// confine gives containers the AppArmor profile that an annotation names, as the API server does
// where the field was not there before it (k8s.io/kubernetes/pkg/registry/core/pod
// applyAppArmorVersionSkew).
func confine(pod *unstructured.Unstructured) {
	annotations := pod.GetAnnotations()
	ofPod, _, _ := unstructured.NestedMap(pod.Object, "spec", "securityContext", "appArmorProfile")
	if os, _, _ := unstructured.NestedString(pod.Object, "spec", "os", "name"); os == string(corev1.Windows) {
		return
	}
	eachContainer(pod, func(container map[string]any) {
		name, _ := container["name"].(string)
		profile := appArmorProfile(annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+name])
		if profile == nil || reflect.DeepEqual(profile, ofPod) {
			return
		}
		if context := child(container, "securityContext"); context["appArmorProfile"] == nil {
			context["appArmorProfile"] = profile
		}
	})
}

// appArmorProfile is the field for the value of an annotation, or nil.
func appArmorProfile(annotation string) map[string]any {
	switch annotation {
	case corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return map[string]any{"type": string(corev1.AppArmorProfileTypeUnconfined)}
	case corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return map[string]any{"type": string(corev1.AppArmorProfileTypeRuntimeDefault)}
	}
	if local, ok := strings.CutPrefix(annotation, corev1.DeprecatedAppArmorBetaProfileNamePrefix); ok && local != "" {
		return map[string]any{"type": string(corev1.AppArmorProfileTypeLocalhost), "localhostProfile": local}
	}
	return nil
}

// eachContainer visits the containers and init containers of a pod.
func eachContainer(pod *unstructured.Unstructured, visit func(map[string]any)) {
	for _, field := range []string{"containers", "initContainers"} {
		containers, _, _ := unstructured.NestedFieldNoCopy(pod.Object, "spec", field)
		for container := range elements(containers) {
			visit(container)
		}
	}
}

// elements are the maps in a list.
func elements(list any) iter.Seq[map[string]any] {
	return func(yield func(map[string]any) bool) {
		all, _ := list.([]any)
		for _, element := range all {
			if m, ok := element.(map[string]any); ok && !yield(m) {
				return
			}
		}
	}
}

// child is a map in a map, which is made if there is none.
func child(parent map[string]any, field string) map[string]any {
	if held, ok := parent[field].(map[string]any); ok {
		return held
	}
	made := map[string]any{}
	parent[field] = made
	return made
}

// mountToken mounts the token of the pod's service account, as the admission plugin ServiceAccount
// does, unless the pod says not to or the profile says so of the service account. One that the
// profile does not speak of mounts it, as is Kubernetes' default.
func (e *Evaluator) mountToken(pod *unstructured.Unstructured) {
	automount, said, _ := unstructured.NestedBool(pod.Object, "spec", "automountServiceAccountToken")
	if said && !automount || !said && !e.automounts(pod) {
		return
	}
	spec := child(pod.Object, "spec")
	volumes, _ := spec["volumes"].([]any)
	volume, found := tokenVolume(volumes)
	mounted := false
	eachContainer(pod, func(container map[string]any) {
		mounts, _ := container["volumeMounts"].([]any)
		for _, m := range mounts {
			if mount, ok := m.(map[string]any); ok && mount["mountPath"] == bulwark.TokenPath {
				return
			}
		}
		container["volumeMounts"] = append(
			mounts,
			map[string]any{"name": volume, "mountPath": bulwark.TokenPath, "readOnly": true},
		)
		mounted = true
	})
	if mounted && !found {
		spec["volumes"] = append(volumes, map[string]any{"name": volume, "projected": map[string]any{}})
	}
}

// tokenVolume is the name of the volume that is mounted: of one of such a name that there is, or
// else of one that is made.
func tokenVolume(volumes []any) (name string, found bool) {
	for _, v := range volumes {
		volume, _ := v.(map[string]any)
		if name, _ := volume["name"].(string); strings.HasPrefix(name, bulwark.TokenVolumePrefix) {
			return name, true
		}
	}
	return bulwark.TokenVolumePrefix + "made", false
}

// automounts reports whether the pod's service account has its token mounted: one that the profile
// does not speak of does, as is Kubernetes' default.
func (e *Evaluator) automounts(pod *unstructured.Unstructured) bool {
	name, _, _ := unstructured.NestedString(pod.Object, "spec", "serviceAccountName")
	if name == "" { // The field's old name, which is still read.
		name, _, _ = unstructured.NestedString(pod.Object, "spec", "serviceAccount")
	}
	automounts, known := e.automount(name)
	return automounts || !known
}

// knows reports whether the profile says of a service account whether its token is mounted.
func (e *Evaluator) knows(account string) bool {
	_, known := e.automount(account)
	return known
}

func (e *Evaluator) automount(account string) (automounts, known bool) {
	rbac := e.profile.Spec.RBAC
	if rbac == nil {
		return false, false
	}
	if (account == "" || account == "default") && rbac.DefaultServiceAccount != nil {
		return rbac.DefaultServiceAccount.EffectiveAutomount(), true
	}
	for i := range rbac.ServiceAccounts {
		if account == v1alpha1.NamePrefix+string(rbac.ServiceAccounts[i].Name) {
			return rbac.ServiceAccounts[i].EffectiveAutomount(), true
		}
	}
	return false, false
}
