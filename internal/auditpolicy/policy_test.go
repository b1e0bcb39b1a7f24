package auditpolicy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

const operator = "system:serviceaccount:bulwark-system:bulwark-manager"

func rules(t testing.TB, spec string) *Explainer {
	t.Helper()
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	e, err := NewExplainer(Rules([]v1alpha1.SecurityProfile{p}, operator))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// event is a request of a user: verb, resource with group and subresource as in
// deployments.apps/scale, or a path.
func event(who, verb, what string) *auditv1.Event {
	e := &auditv1.Event{
		TypeMeta: metav1.TypeMeta{Kind: "Event", APIVersion: "audit.k8s.io/v1"},
		Verb:     verb,
		Stage:    auditv1.StageResponseComplete,
	}
	name, groups, _ := strings.Cut(who, " ")
	e.User = authenticationv1.UserInfo{Username: name, Groups: append(strings.Fields(groups), "system:authenticated")}
	if name == "system:anonymous" {
		e.User.Groups = []string{"system:unauthenticated"}
	}
	if strings.HasPrefix(what, "/") {
		e.RequestURI = what + "?timeout=1s"
		return e
	}
	resource, subresource, _ := strings.Cut(what, "/")
	resource, group, _ := strings.Cut(resource, ".")
	e.ObjectRef = &auditv1.ObjectReference{
		Resource:    resource,
		APIGroup:    group,
		Subresource: subresource,
		Namespace:   "shop",
		Name:        "x",
	}
	return e
}

func TestWhatIsRecorded(t *testing.T) {
	e := rules(
		t,
		`{namespaceSelector: {}, network: {defaultDeny: [Ingress]}, quotas: [{name: a, spec: {hard: {pods: 1}}}], images: {denyTags: [latest]}, protection: {tamper: Forbid}}`,
	)
	const everything, metadata, nothing = auditv1.LevelRequestResponse, auditv1.LevelMetadata, auditv1.LevelNone
	const node = "system:node:a system:nodes"
	for _, tt := range []struct {
		who, verb, what string
		want            auditv1.Level
	}{
		{"dana", "delete", "networkpolicies.networking.k8s.io", everything},
		{"dana", "patch", "namespaces", everything},
		{"dana", "update", "namespaces/finalize", everything},
		{"dana", "update", "resourcequotas", everything},
		{"dana", "update", "resourcequotas/status", everything},
		{"dana", "create", "rolebindings.rbac.authorization.k8s.io", everything},
		{"dana", "update", "clusterroles.rbac.authorization.k8s.io", everything},
		{"dana", "create", "serviceaccounts", everything},
		{"dana", "deletecollection", "validatingadmissionpolicybindings.admissionregistration.k8s.io", everything},
		{"dana", "update", "securityprofiles.security.bulwark.dev", everything},
		{"dana", "update", "namespacepostures.security.bulwark.dev", everything},
		{operator, "update", "namespacepostures.security.bulwark.dev", metadata},
		{operator, "create", "networkpolicies.networking.k8s.io", everything},
		{"dana", "get", "secrets", metadata},
		{"dana", "create", "secrets", metadata},
		{node, "watch", "secrets", metadata},
		{node, "create", "serviceaccounts/token", metadata},
		{"dana", "create", "pods/exec", metadata},
		{"dana", "get", "pods/attach", metadata},
		{"dana", "create", "pods/portforward", metadata},
		{"dana", "get", "services/proxy", metadata},
		{"dana", "get", "nodes/proxy", metadata},
		{"dana", "patch", "pods/ephemeralcontainers", metadata},
		{"system:anonymous", "get", "pods", metadata},
		{"system:anonymous", "get", "/apis/x", nothing},
		{"system:anonymous", "get", "/secret-door", metadata},
		{"system:anonymous", "get", "/healthz/etcd", nothing},
		{"dana", "create", "deployments.apps", metadata},
		{"dana", "patch", "deployments.apps/scale", metadata},
		{"dana", "create", "configmaps", metadata},

		{"dana", "list", "pods", nothing},
		{"dana", "watch", "networkpolicies.networking.k8s.io", nothing},
		{"dana", "get", "/openapi/v3", nothing},
		{"dana", "create", "selfsubjectaccessreviews.authorization.k8s.io", nothing},
		{"some-operator", "update", "leases.coordination.k8s.io", nothing},
		{"some-operator", "create", "events", nothing},
		{"system:apiserver", "update", "resourcequotas/status", nothing},
		{node, "patch", "pods/status", nothing},
		{node, "update", "leases.coordination.k8s.io", nothing},
		{"system:serviceaccount:kube-system:replicaset-controller system:serviceaccounts:kube-system", "create", "pods", nothing},
		{"system:kube-scheduler", "create", "pods/binding", nothing},
	} {
		rule, level := e.Catch(event(tt.who, tt.verb, tt.what))
		if level != tt.want || rule < 0 {
			t.Errorf("%s %s %s is recorded at %s by rule %d, want %s", tt.who, tt.verb, tt.what, level, rule, tt.want)
		}
	}
}

func TestTheRuleIsNamed(t *testing.T) {
	e := rules(t, `{namespaceSelector: {}, podSecurity: {audit: restricted}}`)
	for what, want := range map[string]string{
		"secrets": "Secrets and tokens", "pods": "pods that break a rule", "namespaces": "changes of what the baseline consists of",
		"events": "what is told all the time", "configmaps": "changes of everything else",
	} {
		rule, _ := e.Catch(event("dana", "create", what))
		if got := e.Rules()[rule].Why; !strings.HasPrefix(got, want) {
			t.Errorf("%s is caught by %q", what, got)
		}
	}
}

func TestOnlyWhatIsDeclaredIsRecordedWhole(t *testing.T) {
	e := rules(t, `{namespaceSelector: {}, podSecurity: {enforce: baseline}}`)
	if _, level := e.Catch(event("dana", "update", "resourcequotas")); level != auditv1.LevelMetadata {
		t.Errorf("quotas are recorded at %s, though no profile declares one", level)
	}
}

func TestNoDataOfSecretsIsEverRecorded(t *testing.T) {
	for _, spec := range []string{
		`{namespaceSelector: {}, podSecurity: {audit: restricted}}`, `{namespaceSelector: {}, images: {action: Warn, denyTags: [latest]}, quotas: [{name: a, spec: {hard: {count/secrets: 1}}}]}`,
	} {
		e := rules(t, spec)
		for _, who := range []string{"dana", operator, "system:anonymous", "system:apiserver", "root system:masters"} {
			for _, verb := range []string{"create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"} {
				for _, what := range []string{"secrets", "serviceaccounts/token", "tokenreviews.authentication.k8s.io"} {
					if _, level := e.Catch(event(who, verb, what)); level != auditv1.LevelMetadata && level != auditv1.LevelNone {
						t.Errorf("%s %s %s is recorded at %s", who, verb, what, level)
					}
				}
			}
		}
	}
}

func TestEstimates(t *testing.T) {
	e := rules(t, `{namespaceSelector: {}, podSecurity: {enforce: baseline}}`)
	var log strings.Builder
	start := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for i := range 25 {
		for _, what := range []string{"secrets", "events", "namespaces"} {
			ev := event("dana", "create", what)
			ev.Level = auditv1.LevelRequest
			ev.RequestObject = &runtime.Unknown{Raw: []byte(fmt.Sprintf("%q", strings.Repeat("x", 1<<20)))}
			ev.StageTimestamp = metav1.NewMicroTime(start.Add(time.Duration(i) * time.Hour))
			text, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			log.Write(append(text, '\n'))
		}
	}
	estimates, span, err := e.Estimates(strings.NewReader(log.String()))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, of := range estimates {
		if of.Events > 0 {
			got[e.Rules()[of.Rule].Why] = fmt.Sprintf(
				"%d events, %.1f MiB, %d lack",
				of.Events,
				of.BytesPerDay/(1<<20),
				of.Lacking,
			)
		}
	}
	want := map[string]string{
		"Secrets and tokens, of which no data is recorded":      "25 events, 0.0 MiB, 0 lack",
		"changes of what the baseline consists of, and of RBAC": "25 events, 25.0 MiB, 25 lack",
	}
	if diff := cmp.Diff(want, got); diff != "" || span != 24*time.Hour {
		t.Errorf("%s %s", span, diff)
	}
}

func TestWhatIsNoLogIsRefused(t *testing.T) {
	e := rules(t, `{namespaceSelector: {}, podSecurity: {enforce: baseline}}`)
	for text, want := range map[string]string{
		"": "less than a minute", "x\n": "line 1 is no audit event: invalid character", "{}\n": "line 1 is no audit event: it has no kind Event",
		strings.Repeat("x", maxEvent+1): "token too long",
	} {
		if _, _, err := e.Estimates(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}
