package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// callStore is what is known of the Services that objects of one kind have the API server call.
type callStore struct {
	schema.GroupVersionKind
	*factStore[[]findings.Call]
}

// watchCalls adds the watches of all that has the API server call a Service: webhooks, aggregated APIs, and the conversion of
// custom resources. A change concerns the namespaces of the Services, before and after.
func (f *foreign) watchCalls(w *foreignWatcher) {
	webhooks := admissionregistrationv1.SchemeGroupVersion
	f.calls = []callStore{
		{webhooks.WithKind("ValidatingWebhookConfiguration"),
			watchFacts(w, &admissionregistrationv1.ValidatingWebhookConfigurationList{}, findings.ValidatingCalls)},
		{webhooks.WithKind("MutatingWebhookConfiguration"),
			watchFacts(w, &admissionregistrationv1.MutatingWebhookConfigurationList{}, findings.MutatingCalls)},
		{apiServiceKind, watchFacts(w, &trimmedList[apiServiceSpec]{}, apiServiceCalls)},
		{crdKind, watchFacts(w, &trimmedList[crdSpec]{}, conversionCalls)},
	}
	for i := range f.calls {
		f.calls[i].concerns = func(_, _ string, was, is *[]findings.Call) []string {
			var namespaces []string
			for _, calls := range []*[]findings.Call{was, is} {
				if calls == nil {
					continue
				}
				for i := range *calls {
					namespaces = append(namespaces, (*calls)[i].Namespace)
				}
			}
			slices.Sort(namespaces)
			return slices.Compact(namespaces)
		}
	}
}

// callersInto are the calls of Services of a namespace.
func (f *foreign) callersInto(namespace string) []findings.Caller {
	var callers []findings.Caller
	for i := range f.calls {
		apiVersion, kind := f.calls[i].ToAPIVersionAndKind()
		f.calls[i].each("", func(name string, calls []findings.Call) {
			for _, call := range calls {
				if call.Namespace == namespace {
					object := v1alpha1.ObjectReference{APIVersion: apiVersion, Kind: kind, Name: name}
					callers = append(callers, findings.Caller{Object: object, Call: call})
				}
			}
		})
	}
	return callers
}

// each visits the facts of a namespace, in no order. It copies nothing, and so must not last.
func (s *factStore[F]) each(namespace string, visit func(name string, fact F)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, fact := range s.facts[namespace] {
		visit(name, fact)
	}
}

// trimmed is an object of a kind that Kubernetes' API packages do not hold, with that part of its spec that facts are drawn from. The
// rest of it, such as the schemas of custom resources, is skipped as it is read.
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

var (
	apiServiceKind = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}
	crdKind        = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
)

// apiServiceSpec is where an aggregated API is served.
type apiServiceSpec struct {
	Service *struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		Port      *int32 `json:"port"`
	} `json:"service"`
}

// apiServiceCalls is the Service of an aggregated API; false of one that the API server serves itself.
func apiServiceCalls(o *trimmed[apiServiceSpec]) ([]findings.Call, bool) {
	s := o.Spec.Service
	if s == nil {
		return nil, false
	}
	return []findings.Call{findings.CallOf(s.Namespace, s.Name, s.Port, true)}, true
}

// crdSpec is how custom resources are converted.
type crdSpec struct {
	Conversion *struct {
		Webhook *struct {
			ClientConfig *struct {
				Service *admissionregistrationv1.ServiceReference `json:"service"`
			} `json:"clientConfig"`
		} `json:"webhook"`
	} `json:"conversion"`
}

// conversionCalls is the Service that converts custom resources; false if none does.
func conversionCalls(o *trimmed[crdSpec]) ([]findings.Call, bool) {
	c := o.Spec.Conversion
	if c == nil || c.Webhook == nil || c.Webhook.ClientConfig == nil || c.Webhook.ClientConfig.Service == nil {
		return nil, false
	}
	s := c.Webhook.ClientConfig.Service
	return []findings.Call{findings.CallOf(s.Namespace, s.Name, s.Port, true)}, true
}

// foreignScheme knows Kubernetes' own types, and those that are trimmed.
func foreignScheme() (*runtime.Scheme, error) {
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

// policyFacts are what a NetworkPolicy opens to everybody, and what it lets in that is no pod; each
// nil if there is none. Of one that is large they hold how many bytes it is.
type policyFacts struct {
	opens *findings.Policy
	gate  *findings.Gate
	bytes int
}

func policyFactsOf(np *networkingv1.NetworkPolicy) (policyFacts, bool) {
	var facts policyFacts
	if opens, open := findings.PolicyOf(np); open {
		facts.opens = &opens
	}
	if gate, open := findings.GateOf(np); open {
		facts.gate = &gate
	}
	if bytes := np.Spec.Size(); bytes > findings.MaxBytes {
		facts.bytes = bytes
	}
	return facts, facts != policyFacts{}
}

func splitPolicyFacts(all map[string]policyFacts) (map[string]findings.Policy, map[string]findings.Gate) {
	policies, gates := map[string]findings.Policy{}, map[string]findings.Gate{}
	for name, facts := range all {
		if facts.opens != nil {
			policies[name] = *facts.opens
		}
		if facts.gate != nil {
			gates[name] = *facts.gate
		}
	}
	return policies, gates
}

// askServices asks what the Services say that the API server calls, where the baseline closes ingress. They are not watched: a cluster
// has thousands, and few are called.
func (r *NamespaceReconciler) askServices(ctx context.Context, p *pass, facts *findings.Facts) error {
	names := findings.ServicesToAsk(p.profile, p.namespace.Name, facts)
	p.asksServices = len(names) > 0
	facts.Services = map[string]*corev1.ServiceSpec{}
	var errs []error
	for _, name := range names {
		var service corev1.Service
		switch err := r.Live.Get(ctx, client.ObjectKey{Namespace: p.namespace.Name, Name: name}, &service); {
		case apierrors.IsNotFound(err): // It may come later: what calls it is there already.
		case err != nil:
			errs = append(errs, fmt.Errorf("reading Service %s of namespace %s: %w", name, p.namespace.Name, err))
		default:
			facts.Services[name] = &service.Spec
		}
	}
	return errors.Join(errs...)
}
