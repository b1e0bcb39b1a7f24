package watch

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/findings"
)

func webhooksAt(certificate string, namespaces ...string) *admissionregistrationv1.ValidatingWebhookConfiguration {
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "certs"}}
	for _, namespace := range namespaces {
		c.Webhooks = append(c.Webhooks, admissionregistrationv1.ValidatingWebhook{
			Name: "certs.example.com", ClientConfig: admissionregistrationv1.WebhookClientConfig{
				CABundle: []byte(certificate),
				Service:  &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: "hook"},
			},
		})
	}
	return c
}

func TestAWebhookConcernsTheNamespacesOfItsServices(t *testing.T) {
	var told []string
	u := unwatched(t, &told)
	store := u.callers[0]
	for _, step := range []struct {
		what string
		do   func() error
		told []string
	}{
		{"one is made", func() error { return store.Add(webhooksAt("a", "shop", "till", "shop")) }, []string{"shop", "till"}},
		{"its certificate changes", func() error { return store.Update(webhooksAt("b", "shop", "till", "shop")) }, nil},
		{"it calls another namespace", func() error {
			return store.Update(webhooksAt("b", "shop", "yard"))
		}, []string{"shop", "till", "yard"}},
		{"all is read anew", func() error { return store.Replace([]any{webhooksAt("c", "shop", "yard")}, "1") }, nil},
		{"all is read anew, and it calls nothing", func() error {
			return store.Replace([]any{webhooksAt("c")}, "2")
		}, []string{"shop", "yard"}},
		{"it goes", func() error { return store.Delete(webhooksAt("c")) }, nil},
	} {
		told = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.told, told); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", step.what, diff)
		}
	}
}

func TestCallersIntoANamespace(t *testing.T) {
	var told []string
	u := unwatched(t, &told)
	if err := u.callers[0].Add(webhooksAt("a", "shop", "till")); err != nil {
		t.Fatal(err)
	}
	want := []findings.Caller{{
		Object: v1alpha1.ObjectReference{
			APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration", Name: "certs",
		},
		Call: findings.Call{Namespace: "shop", Service: "hook", Port: 443, Vital: true, For: []string{"certs.example.com"}},
	}}
	if diff := cmp.Diff(want, u.Facts("shop").Callers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if callers := u.Facts("yard").Callers; len(callers) > 0 {
		t.Errorf("into another: %v", callers)
	}
}

func TestCallsOfTrimmedKinds(t *testing.T) {
	api := func(spec string) ([]findings.Call, bool) {
		o := &trimmed[apiServiceSpec]{}
		whole := `{"kind":"APIService","metadata":{"name":"v1.example.com"},"spec":` + spec + `}`
		if err := json.Unmarshal([]byte(whole), o); err != nil {
			t.Fatal(err)
		}
		return apiServiceCalls(o.DeepCopyObject().(*trimmed[apiServiceSpec]))
	}
	crd := func(spec string) ([]findings.Call, bool) {
		o := &trimmedList[crdSpec]{}
		whole := `{"items":[{"metadata":{"name":"certs.example.com"},"spec":` + spec + `}]}`
		if err := json.Unmarshal([]byte(whole), o); err != nil {
			t.Fatal(err)
		}
		return conversionCalls(&o.DeepCopyObject().(*trimmedList[crdSpec]).Items[0])
	}
	at := func(port int32) []findings.Call { return []findings.Call{findings.CallOf("shop", "hook", &port, true)} }
	for sentence, tc := range map[string]struct {
		draw func(string) ([]findings.Call, bool)
		spec string
		want []findings.Call
	}{
		"an API of the API server's own": {api, `{"group":"apps","version":"v1"}`, nil},
		"an aggregated API":              {api, `{"group":"x","service":{"namespace":"shop","name":"hook"}}`, at(443)},
		"an aggregated API at a port":    {api, `{"service":{"namespace":"shop","name":"hook","port":8443}}`, at(8443)},
		"a custom resource":              {crd, `{"group":"x","versions":[{"schema":{}}]}`, nil},
		"one that is not converted":      {crd, `{"conversion":{"strategy":"None"}}`, nil},
		"one that is converted at a URL": {crd, `{"conversion":{"webhook":{"clientConfig":{"url":"https://x"}}}}`, nil},
		"one that is converted by a Service": {crd, `{"conversion":{"strategy":"Webhook","webhook":{"clientConfig":{` +
			`"caBundle":"eA==","service":{"namespace":"shop","name":"hook","path":"/convert","port":9443}}}}}`, at(9443)},
	} {
		got, any := tc.draw(tc.spec)
		if diff := cmp.Diff(tc.want, got); diff != "" || any != (tc.want != nil) {
			t.Errorf("%s: %t (-want +got):\n%s", sentence, any, diff)
		}
	}
}
