package watch

import (
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

// callerStore keeps the calls of Services that objects of one kind have the API server make.
type callerStore struct {
	schema.GroupVersionKind
	*factStore[[]findings.Call]
}

// watchCallers adds the watches of objects that have the API server call a Service: webhooks,
// aggregated APIs, and the conversion of custom resources. A change concerns the namespaces of the
// Services, before and after.
func (u *Unmanaged) watchCallers(w *watcher) {
	webhooks := admissionregistrationv1.SchemeGroupVersion
	u.callers = []callerStore{
		{webhooks.WithKind("ValidatingWebhookConfiguration"),
			watchFacts(w, &admissionregistrationv1.ValidatingWebhookConfigurationList{}, findings.ValidatingCalls)},
		{webhooks.WithKind("MutatingWebhookConfiguration"),
			watchFacts(w, &admissionregistrationv1.MutatingWebhookConfigurationList{}, findings.MutatingCalls)},
		{apiServiceKind, watchFacts(w, &trimmedList[apiServiceSpec]{}, apiServiceCalls)},
		{crdKind, watchFacts(w, &trimmedList[crdSpec]{}, conversionCalls)},
	}
	for i := range u.callers {
		u.callers[i].concerns = func(_, _ string, was, is *[]findings.Call) []string {
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

// callersInto lists who has the API server call Services of a namespace.
func (u *Unmanaged) callersInto(namespace string) []findings.Caller {
	var callers []findings.Caller
	for i := range u.callers {
		apiVersion, kind := u.callers[i].ToAPIVersionAndKind()
		u.callers[i].each("", func(name string, calls []findings.Call) {
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

var (
	apiServiceKind = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}
	crdKind        = schema.GroupVersionKind{
		Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition",
	}
)

// apiServiceSpec is where an aggregated API is served.
type apiServiceSpec struct {
	Service *struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		Port      *int32 `json:"port"`
	} `json:"service"`
}

// apiServiceCalls is the call of the Service behind an aggregated API; false if the API server
// serves it itself.
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

// conversionCalls is the call of the Service that converts custom resources; false if none does.
func conversionCalls(o *trimmed[crdSpec]) ([]findings.Call, bool) {
	c := o.Spec.Conversion
	if c == nil || c.Webhook == nil || c.Webhook.ClientConfig == nil || c.Webhook.ClientConfig.Service == nil {
		return nil, false
	}
	s := c.Webhook.ClientConfig.Service
	return []findings.Call{findings.CallOf(s.Namespace, s.Name, s.Port, true)}, true
}
