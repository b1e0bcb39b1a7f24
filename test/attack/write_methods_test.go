package attack

import (
	"encoding/json"
	"reflect"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// written is one change of an object, for each way to write it.
type written struct {
	before, after client.Object
	subresource   string
}

// writing reads an object and changes a copy.
func writing[T client.Object](o T, change func(T)) written {
	GinkgoHelper()
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
	after := o.DeepCopyObject().(T)
	change(after)
	Expect(after).NotTo(Equal(o), "the attack changes nothing")
	return written{before: o, after: after}
}

// inEveryWay writes a change by PUT, JSON patch, merge patch, strategic merge patch where the kind
// has it, and forced server-side apply.
func inEveryWay[T client.Object](as client.Client, o T, change func(T)) []error {
	GinkgoHelper()
	w := writing(o, change)
	return append(w.withoutApply(as), w.applied(as))
}

// inEveryWayButApply is for what is taken away: who applies can only take away what they have
// applied.
func inEveryWayButApply[T client.Object](as client.Client, o T, change func(T)) []error {
	GinkgoHelper()
	w := writing(o, change)
	return w.withoutApply(as)
}

func (w *written) withoutApply(as client.Client) []error {
	GinkgoHelper()
	answers := []error{
		w.put(as),
		w.patched(as, client.RawPatch(types.JSONPatchType, w.jsonPatch())),
		w.patched(as, client.MergeFrom(w.before)),
	}
	if _, custom := w.before.(*v1alpha1.NamespacePosture); !custom {
		answers = append(answers, w.patched(as, client.StrategicMergeFrom(w.before)))
	}
	return answers
}

// put tries again if Kubernetes was faster: what is of interest is the answer to the change.
func (w *written) put(as client.Client) error {
	object := w.fresh()
	for {
		var update error
		if w.subresource == "" {
			update = as.Update(ctx, object)
		} else {
			update = as.SubResource(w.subresource).Update(ctx, object)
		}
		if !apierrors.IsConflict(update) {
			return update
		}
		now := w.fresh()
		if err := admin.Get(ctx, client.ObjectKeyFromObject(now), now); err != nil {
			return err
		}
		object = w.fresh()
		object.SetResourceVersion(now.GetResourceVersion())
	}
}

func (w *written) patched(as client.Client, patch client.Patch) error {
	if w.subresource != "" {
		return as.SubResource(w.subresource).Patch(ctx, w.fresh(), patch)
	}
	return as.Patch(ctx, w.fresh(), patch)
}

func (w *written) fresh() client.Object { return w.after.DeepCopyObject().(client.Object) }

// applied applies what has changed, by force.
func (w *written) applied(as client.Client) error {
	GinkgoHelper()
	gvk, err := apiutil.GVKForObject(w.after, as.Scheme())
	Expect(err).NotTo(HaveOccurred())
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(gvk)
	u.SetNamespace(w.after.GetNamespace())
	u.SetName(w.after.GetName())
	for _, path := range w.changed() {
		value, _, err := unstructured.NestedFieldCopy(content(w.after), path...)
		Expect(err).NotTo(HaveOccurred())
		Expect(unstructured.SetNestedField(u.Object, value, path...)).To(Succeed())
	}
	configuration := client.ApplyConfigurationFromUnstructured(u)
	if w.subresource != "" {
		return as.SubResource(w.subresource).Apply(ctx, configuration, client.ForceOwnership, client.FieldOwner("attacker"))
	}
	return as.Apply(ctx, configuration, client.ForceOwnership, client.FieldOwner("attacker"))
}

func (w *written) jsonPatch() []byte {
	GinkgoHelper()
	var operations []map[string]any
	for _, path := range w.changed() {
		pointer := ""
		for _, field := range path {
			pointer += "/" + field
		}
		value, found, err := unstructured.NestedFieldNoCopy(content(w.after), path...)
		Expect(err).NotTo(HaveOccurred())
		if found {
			operations = append(operations, map[string]any{"op": "add", "path": pointer, "value": value})
		} else {
			operations = append(operations, map[string]any{"op": "remove", "path": pointer})
		}
	}
	data, err := json.Marshal(operations)
	Expect(err).NotTo(HaveOccurred())
	return data
}

// changed are the paths of the fields of the object and of its metadata that the change is in.
func (w *written) changed() [][]string {
	GinkgoHelper()
	before, after := content(w.before), content(w.after)
	var paths [][]string
	compare := func(before, after map[string]any, parent ...string) {
		for _, fields := range []map[string]any{before, after} {
			for field := range fields {
				path := slices.Concat(parent, []string{field})
				seen := false
				for _, p := range paths {
					seen = seen || reflect.DeepEqual(p, path)
				}
				if field != "metadata" && !seen && !reflect.DeepEqual(before[field], after[field]) {
					paths = append(paths, path)
				}
			}
		}
	}
	compare(before, after)
	compare(before["metadata"].(map[string]any), after["metadata"].(map[string]any), "metadata")
	Expect(paths).NotTo(BeEmpty())
	return paths
}

func content(o client.Object) map[string]any {
	GinkgoHelper()
	u, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	Expect(err).NotTo(HaveOccurred())
	return u
}
