package findings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/utils/ptr"
)

func TestCallsOfWebhooks(t *testing.T) {
	at := func(namespace, name string, port *int32) admissionregistrationv1.WebhookClientConfig {
		return admissionregistrationv1.WebhookClientConfig{
			Service:  &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: name, Port: port},
			CABundle: []byte("whatever"),
		}
	}
	ignore := ptr.To(admissionregistrationv1.Ignore)
	webhooks := []admissionregistrationv1.ValidatingWebhook{
		{Name: "a", ClientConfig: at("certs", "hook", nil), FailurePolicy: ignore},
		{
			Name:          "b",
			ClientConfig:  at("certs", "hook", ptr.To[int32](443)),
			FailurePolicy: ptr.To(admissionregistrationv1.Fail),
		},
		{Name: "c", ClientConfig: at("certs", "hook", ptr.To[int32](8443)), FailurePolicy: ignore},
		{Name: "d", ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://example.com")}},
		{Name: "e", ClientConfig: at("mesh", "hook", nil)},
	}
	want := []Call{
		{Namespace: "certs", Service: "hook", Port: 443, Vital: true, For: list{"a", "b"}},
		{Namespace: "certs", Service: "hook", Port: 8443, For: list{"c"}},
		{Namespace: "mesh", Service: "hook", Port: 443, Vital: true, For: list{"e"}},
	}
	got, any := ValidatingCalls(&admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: webhooks})
	if diff := cmp.Diff(want, got); diff != "" || !any {
		t.Errorf("%t (-want +got):\n%s", any, diff)
	}
	var mutating []admissionregistrationv1.MutatingWebhook
	for _, w := range webhooks {
		mutating = append(
			mutating,
			admissionregistrationv1.MutatingWebhook{Name: w.Name, ClientConfig: w.ClientConfig, FailurePolicy: w.FailurePolicy},
		)
	}
	got, any = MutatingCalls(&admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: mutating})
	if diff := cmp.Diff(want, got); diff != "" || !any {
		t.Errorf("mutating: %t (-want +got):\n%s", any, diff)
	}
	if got, any := MutatingCalls(&admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: mutating[3:4]}); any {
		t.Errorf("of a URL: %v", got)
	}
	var many []admissionregistrationv1.ValidatingWebhook
	for i := range 500 {
		many = append(
			many,
			admissionregistrationv1.ValidatingWebhook{
				Name:         strings.Repeat("x", 500),
				ClientConfig: at("certs", fmt.Sprintf("s%d", i%50), nil),
			},
		)
	}
	bounded, _ := ValidatingCalls(&admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: many})
	if len(bounded) != maxCalls || len(bounded[0].For) != maxListed || bounded[0].More != 2 {
		t.Errorf("%d calls, the first for %d and %d more", len(bounded), len(bounded[0].For), bounded[0].More)
	}
}
