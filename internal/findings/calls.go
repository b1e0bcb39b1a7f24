package findings

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// Call is that the API server calls a Service on behalf of an object: a webhook configuration, an
// APIService, or the conversion of a CustomResourceDefinition.
type Call struct {
	Namespace, Service string
	Port               int32
	// Vital says that requests fail where the Service does not answer. Of a webhook it is
	// failurePolicy Fail.
	Vital bool
	// For names the webhooks that are called so, at most maxListed, and More is how many there are
	// beyond them.
	For  []string
	More int
}

// Caller is a Call with the object that has the API server make it.
type Caller struct {
	Object v1alpha1.ObjectReference
	Call
}

// defaultCallPort is the port of a Service that is called if the object names none.
const defaultCallPort = 443

// ValidatingCalls are the Services that the webhooks of a configuration are at; false if there are
// none.
func ValidatingCalls(c *admissionregistrationv1.ValidatingWebhookConfiguration) ([]Call, bool) {
	var calls []Call
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		calls = withWebhook(calls, w.Name, w.ClientConfig.Service, w.FailurePolicy)
	}
	return calls, len(calls) > 0
}

// MutatingCalls are the Services that the webhooks of a configuration are at; false if there are
// none.
func MutatingCalls(c *admissionregistrationv1.MutatingWebhookConfiguration) ([]Call, bool) {
	var calls []Call
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		calls = withWebhook(calls, w.Name, w.ClientConfig.Service, w.FailurePolicy)
	}
	return calls, len(calls) > 0
}

func withWebhook(
	calls []Call,
	name string,
	s *admissionregistrationv1.ServiceReference,
	failure *admissionregistrationv1.FailurePolicyType,
) []Call {
	if s == nil {
		return calls // It is at a URL.
	}
	vital := ptr.Deref(failure, admissionregistrationv1.Fail) == admissionregistrationv1.Fail
	return withCall(calls, name, CallOf(s.Namespace, s.Name, s.Port, vital))
}

// maxCalls bounds what is kept of one object, which can name thousands of Services.
const maxCalls = 32

// withCall adds a call, or what it is for to the call of the same Service.
func withCall(calls []Call, name string, c Call) []Call {
	i := slices.IndexFunc(calls, func(other Call) bool {
		return other.Namespace == c.Namespace && other.Service == c.Service && other.Port == c.Port
	})
	switch {
	case i < 0 && len(calls) == maxCalls:
		return calls
	case i < 0:
		i = len(calls)
		calls = append(calls, c)
	}
	calls[i].Vital = calls[i].Vital || c.Vital
	if len(calls[i].For) == maxListed {
		calls[i].More++
	} else {
		calls[i].For = append(calls[i].For, printable.Cut(name, maxText))
	}
	return calls
}

// CallOf is a call of a Service, at the default port if none is named.
func CallOf(namespace, service string, port *int32, vital bool) Call {
	return Call{Namespace: namespace, Service: service, Port: ptr.Deref(port, defaultCallPort), Vital: vital}
}

func (c *Caller) severity() v1alpha1.Severity {
	if c.Vital {
		return v1alpha1.SeverityHigh
	}
	return v1alpha1.SeverityMedium
}

func (c *Caller) purpose() string {
	if len(c.For) == 0 {
		return ""
	}
	names := strings.Join(c.For, ", ")
	if c.More > 0 {
		names += fmt.Sprintf(" and %d more", c.More)
	}
	return " for " + names
}

func (c *Caller) consequence() string {
	if c.Vital {
		return ": requests that need its answer fail"
	}
	return ": what it checks passes unchecked"
}
