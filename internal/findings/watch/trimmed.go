package watch

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// trimmed is an object of a kind that is not in Kubernetes' API packages, with the part of its spec
// that facts are drawn from. The decoder skips the rest, such as the schemas of custom resources.
type trimmed[Spec any] struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec Spec `json:"spec"`
}

type trimmedList[Spec any] struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []trimmed[Spec] `json:"items"`
}

// DeepCopyObject shares the spec, which nobody changes.
func (t *trimmed[Spec]) DeepCopyObject() runtime.Object {
	copied := &trimmed[Spec]{TypeMeta: t.TypeMeta, Spec: t.Spec}
	t.DeepCopyInto(&copied.ObjectMeta)
	return copied
}

// DeepCopyObject shares the specs, which nobody changes.
func (l *trimmedList[Spec]) DeepCopyObject() runtime.Object {
	list := &trimmedList[Spec]{TypeMeta: l.TypeMeta}
	l.DeepCopyInto(&list.ListMeta)
	for i := range l.Items {
		list.Items = append(list.Items, *l.Items[i].DeepCopyObject().(*trimmed[Spec]))
	}
	return list
}

// NewClient makes the client that watches: it knows Kubernetes' own types and the trimmed ones.
func NewClient(mgr manager.Manager) (client.WithWatch, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(mgr.GetConfig(), client.Options{
		Scheme: scheme, HTTPClient: mgr.GetHTTPClient(), Mapper: mgr.GetRESTMapper(),
	})
	if err != nil {
		return nil, fmt.Errorf("making a client that watches: %w", err)
	}
	return c, nil
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("adding Kubernetes' types: %w", err)
	}
	addTrimmed[apiServiceSpec](scheme, apiServiceKind)
	addTrimmed[crdSpec](scheme, crdKind)
	return scheme, nil
}

func addTrimmed[Spec any](scheme *runtime.Scheme, kind schema.GroupVersionKind) {
	scheme.AddKnownTypeWithName(kind, &trimmed[Spec]{})
	scheme.AddKnownTypeWithName(kind.GroupVersion().WithKind(kind.Kind+"List"), &trimmedList[Spec]{})
	metav1.AddToGroupVersion(scheme, kind.GroupVersion())
}
