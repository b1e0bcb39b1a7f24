package check

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/bulwark-dev/bulwark/internal/manifests"
)

// object is a manifest as the API server would read it.
type object struct {
	Reference
	document     *manifests.Document
	unstructured *unstructured.Unstructured // nil once the object is judged
	typed        kruntime.Object            // nil if it cannot be decoded

	// manifest is the pod that a controller would make of the object, and made the same in
	// Kubernetes' types; nil if it makes none. The pod of a Pod is itself. They share what they
	// hold with the object.
	manifest *unstructured.Unstructured
	made     *corev1.Pod
	// need is what they would take, and the object itself.
	need need
	// parts are what of its pods has an image; only if there are scan reports.
	parts []part

	// undecodable is what the API server says of what it cannot read.
	undecodable string
	wrongPath   []any
	// unknownFields are fields that kubectl has the API server refuse.
	unknownFields []unknownField
}

type unknownField struct {
	words, answer string
	path          []any
}

// key tells objects apart.
type key struct{ kind, namespace, name string }

func (o *object) key() key { return key{o.Kind, o.Namespace, o.Name} }

// readAhead reads what must be known before anything is judged: what there is already, the labels
// of namespaces, LimitRanges and quotas.
func (r *run) readAhead() {
	r.old, r.govs.given = map[key]*object{}, map[string][]any{}
	for _, d := range r.in.Old {
		if o := r.kinds.read(d, r.in.Namespace); o != nil {
			r.old[o.key()] = o
		} else if err := r.kinds.mismatch(d); err != nil {
			r.unmatched = append(r.unmatched, err)
		}
	}
	each(len(r.in.Manifests), func(i int) {
		if source := r.in.Manifests[i]; source.Mentions("Namespace", "LimitRange", "ResourceQuota") {
			source.Documents()
		}
	})
	for _, source := range r.in.Manifests {
		if !source.Mentions("Namespace", "LimitRange", "ResourceQuota") {
			continue
		}
		for _, d := range source.Documents() {
			switch kindOf(d.Object) {
			case "Namespace (v1)", "LimitRange (v1)", "ResourceQuota (v1)":
				r.know(r.kinds.read(d, r.in.Namespace))
			}
		}
	}
}

// know takes in what hangs on others: the labels of a namespace, a LimitRange, a quota.
func (r *run) know(o *object) {
	switch t := o.typed.(type) {
	case *corev1.Namespace:
		r.in.Namespaces = append(r.in.Namespaces, *t)
	case *corev1.LimitRange, *corev1.ResourceQuota:
		r.govs.given[o.Namespace] = append(r.govs.given[o.Namespace], t)
	}
}

func kindOf(object *unstructured.Unstructured) string {
	return fmt.Sprintf("%s (%s)", object.GetKind(), object.GetAPIVersion())
}

// read is a manifest as an object of a known kind, or nil.
func (k *kinds) read(d *manifests.Document, namespace string) *object {
	gvk := schema.FromAPIVersionAndKind(d.Object.GetAPIVersion(), d.Object.GetKind())
	typed := k.make(gvk)
	if typed == nil {
		return nil
	}
	o := &object{document: d, unstructured: d.Object, Reference: Reference{
		APIVersion: d.Object.GetAPIVersion(), Kind: gvk.Kind, Namespace: nestedString(d.Object, "metadata", "namespace"),
		Name: nestedString(d.Object, "metadata", "name"),
	}}
	switch {
	case clusterScoped[gvk.Kind]:
		o.Namespace = ""
	case o.Namespace == "":
		o.Namespace = namespace
	}
	if o.Name == "" {
		o.Name = nestedString(d.Object, "metadata", "generateName")
	}
	text, err := d.JSON()
	if err != nil {
		o.undecodable = err.Error()
		return o
	}
	cannot := fmt.Sprintf("%s in version %q cannot be handled as a %s: ", gvk.Kind, gvk.Version, gvk.Kind)
	strict, err := kjson.UnmarshalStrict(text, typed)
	if err != nil {
		o.undecodable, o.wrongPath = cannot+err.Error(), fieldOf(err)
		return o
	}
	for _, err := range strict {
		words := err.Error()
		o.unknownFields = append(
			o.unknownFields,
			unknownField{words: words, answer: cannot + "strict decoding error: " + words, path: quotedPath(words)},
		)
	}
	if spec := templateOf(typed); spec != nil {
		defaultVolumes(spec)
	}
	o.typed = typed
	if o.manifest = o.pod(); o.manifest != nil {
		o.made = o.typedPod()
	}
	return o
}

// nestedString is a field of an object; empty if it is none or no text.
func nestedString(o *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(o.Object, path...)
	return text
}

var (
	unmarshalField = regexp.MustCompile(`Go struct field \w+\.([\w.]+) of type`)
	inQuotes       = regexp.MustCompile(`"([^"]+)"`)
	pathStep       = regexp.MustCompile(`[^.\[\]]+|\[\d+\]`)
)

// fieldOf is the path that a decoder's error names.
func fieldOf(err error) []any {
	if found := unmarshalField.FindStringSubmatch(err.Error()); found != nil {
		return pathOf(found[1])
	}
	return nil
}

func quotedPath(words string) []any {
	if found := inQuotes.FindStringSubmatch(words); found != nil {
		return pathOf(found[1])
	}
	return nil
}

// pathOf is a path as Kubernetes writes it: spec.containers[0].image.
func pathOf(text string) []any {
	var path []any
	for _, step := range pathStep.FindAllString(text, -1) {
		if index, isIndex := strings.CutPrefix(step, "["); isIndex {
			if n, err := strconv.Atoi(strings.TrimSuffix(index, "]")); err == nil {
				path = append(path, n)
				continue
			}
		}
		path = append(path, step)
	}
	return path
}

// template is where a kind has its pod's metadata and spec, and false if it has none.
func template(kind string) ([]any, bool) {
	switch kind {
	case "Pod":
		return nil, true
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController", "Job":
		return []any{"spec", "template"}, true
	case "PodTemplate":
		return []any{"template"}, true
	case "CronJob":
		return []any{"spec", "jobTemplate", "spec", "template"}, true
	}
	return nil, false
}

// pod is the pod that a controller would make of an object, as a manifest; nil if it makes none.
// The pod of a Pod is itself.
func (o *object) pod() *unstructured.Unstructured {
	at, has := template(o.Kind)
	if !has || o.Kind == "PodTemplate" {
		return nil
	}
	if o.Kind == "Pod" {
		return o.unstructured
	}
	from := o.unstructured.Object
	for _, step := range at {
		from, _ = from[step.(string)].(map[string]any)
	}
	spec, _ := from["spec"].(map[string]any)
	if spec == nil {
		return nil
	}
	metadata := map[string]any{"generateName": o.Name + "-", "namespace": o.Namespace}
	if given, ok := from["metadata"].(map[string]any); ok {
		for _, field := range []string{"labels", "annotations"} {
			if given[field] != nil {
				metadata[field] = given[field]
			}
		}
	}
	return &unstructured.Unstructured{
		Object: map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
	}
}

// typedPod is pod in Kubernetes' types.
func (o *object) typedPod() *corev1.Pod {
	if pod, isPod := o.typed.(*corev1.Pod); isPod {
		return pod
	}
	meta, spec := templateMetaOf(o.typed), templateOf(o.typed)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: o.Name + "-", Namespace: o.Namespace, Labels: meta.Labels, Annotations: meta.Annotations,
		},
		Spec: *spec,
	}
}

// slim drops what nobody asks of an object once it is judged: of its contents, only what findings
// are drawn from is kept.
func (o *object) slim() {
	o.unstructured, o.manifest, o.made = nil, nil, nil
	if !lookedAtTogether(o.typed) {
		o.typed = nil
	}
}

// lookedAtTogether reports whether an object is of a kind that is asked for once all are judged:
// findings are drawn from it, or quotas hang on it.
func lookedAtTogether(typed kruntime.Object) bool {
	switch typed.(type) {
	case *networkingv1.NetworkPolicy,
		*rbacv1.Role,
		*rbacv1.RoleBinding,
		*rbacv1.ClusterRole,
		*corev1.ServiceAccount,
		*corev1.LimitRange,
		*corev1.ResourceQuota,
		*autoscalingv1.HorizontalPodAutoscaler,
		*autoscalingv2.HorizontalPodAutoscaler:
		return true
	}
	return false
}

// ruled reports whether there are rules about an object's kind, or a quota counts it.
func (o *object) ruled() bool {
	switch o.typed.(type) {
	case *corev1.Namespace, *corev1.Service, *corev1.PodTemplate:
		return true
	}
	return o.made != nil || o.need.counted != nil || lookedAtTogether(o.typed)
}

// within is a path in an object, of a path in its pod.
func (o *object) within(path ...any) []any {
	at, _ := template(o.Kind)
	return append(append([]any{}, at...), path...)
}
