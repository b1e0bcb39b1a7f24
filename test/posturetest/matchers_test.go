package posturetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// judged is what a matcher makes of an actual value.
type judged struct {
	matcher types.GomegaMatcher
	actual  any
	match   bool
	err     string // of Match
	says    string // when it fails: when it does not match, or when it does and should not
}

func (j judged) run(t *testing.T) {
	t.Helper()
	match, err := j.matcher.Match(j.actual)
	switch {
	case err != nil || j.err != "":
		if err == nil || !strings.HasPrefix(err.Error(), j.err) || j.err == "" {
			t.Errorf("want the error %q, got %v", j.err, err)
		}
		return
	case match != j.match:
		t.Errorf("it matches: %t", match)
	}
	says := j.matcher.FailureMessage(j.actual)
	if j.match {
		says = j.matcher.NegatedFailureMessage(j.actual)
	}
	if diff := cmp.Diff(j.says, says); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBeRefusedBy(t *testing.T) {
	forbidden := func(words string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "p", errors.New(words))
	}
	const rule = "ValidatingAdmissionPolicy 'bulwark-web-workloads' with binding 'bulwark-web-workloads' denied request: " +
		"readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true (spec.workloads of SecurityProfile web)"
	byRule := forbidden(rule)
	byLevel := forbidden(`violates PodSecurity "restricted:latest": ` +
		`runAsNonRoot != true (pod must set it), seccompProfile (pod must set it)`)
	for sentence, j := range map[string]judged{
		"the rule refused": {
			matcher: BeRefusedBy("readOnlyRootFilesystem"), actual: byRule, match: true,
			says: `Expected the API server not to refuse the request by the rule readOnlyRootFilesystem. It did:
  pods "p" is forbidden: ` + rule,
		},
		"an error that wraps it": {
			matcher: BeRefusedBy("admission/workloads/readOnlyRootFilesystem"), actual: fmt.Errorf("creating: %w", byRule), match: true,
			says: `Expected the API server not to refuse the request by the rule admission/workloads/readOnlyRootFilesystem. It did:
  creating: pods "p" is forbidden: ` + rule,
		},
		"others refused": {
			matcher: BeRefusedBy("readOnlyRootFilesystem"), actual: byLevel,
			says: `Expected the API server to refuse the request by the rule readOnlyRootFilesystem. What refused it was pod-security/runAsNonRoot, pod-security/seccompProfile_restricted:
  pods "p" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod must set it), seccompProfile (pod must set it)`,
		},
		"nothing refused": {
			matcher: BeRefusedBy("runAsNonRoot"),
			says: `Expected the API server to refuse the request by the rule runAsNonRoot. It admitted it.
Is the namespace governed (see Govern), and does the profile declare the rule, with the action Deny and not under the enforcement Audit?`,
		},
		"no permission": {
			matcher: BeRefusedBy("runAsNonRoot"), actual: forbidden("User alice cannot create it"),
			says: `Expected the API server to refuse the request by the rule runAsNonRoot. No rule of a baseline refused it, but:
  pods "p" is forbidden: User alice cannot create it`,
		},
		"no answer": {
			matcher: BeRefusedBy("runAsNonRoot"), actual: errors.New("connection refused"),
			says: `Expected the API server to refuse the request by the rule runAsNonRoot. The request got no answer:
  connection refused`,
		},
		"a misspelt rule": {
			matcher: BeRefusedBy("readonlyRootFilesystem"), err: `there is no rule "readonlyRootFilesystem": readOnlyRootFilesystem is meant`,
		},
		"a rule that is none": {
			matcher: BeRefusedBy("latest"), err: "there is no rule \"latest\"; there are:\n  admission/images/allowedRegistries\n",
		},
		"what is no error": {
			matcher: BeRefusedBy("runAsNonRoot"), actual: "no", err: "BeRefusedBy expects the error of a request, and not a string",
		},
	} {
		t.Run(sentence, j.run)
	}
}

// shop is the posture of a namespace that is as a profile declares, but for the changes.
func shop(profile *v1alpha1.SecurityProfile, changes ...func(*Posture)) *Posture {
	live := profile.DeepCopy()
	live.UID, live.Generation = "uid-1", 3
	desired := baseline.Render(live, "shop")
	p := &Posture{
		Namespace: desired[0].(*corev1.Namespace), Profile: live, found: desired,
		Report: &v1alpha1.NamespacePosture{
			Profile: live.Name, ProfileGeneration: 3, NamespaceUID: "uid-2", Enforcement: v1alpha1.EnforcementEnforce,
			Status: v1alpha1.NamespacePostureStatus{
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}},
			},
		},
	}
	p.Namespace.UID = "uid-2"
	for _, change := range changes {
		change(p)
	}
	return p
}

// drifted are changes of a report: it tells of drift.
func drifted(entries ...v1alpha1.DriftEntry) func(*Posture) {
	return func(p *Posture) { p.Report.Drift = append(p.Report.Drift, entries...) }
}

var (
	ofPolicy = v1alpha1.DriftEntry{
		Object: v1alpha1.ObjectReference{Kind: "NetworkPolicy", Name: "bulwark-default-deny"},
		Change: v1alpha1.DriftChangeModified, State: v1alpha1.DriftStateCorrected, Manager: "alice",
		Fields: []v1alpha1.FieldDrift{{Path: "spec.policyTypes", Want: `["Ingress"]`}},
	}
	ofRole = v1alpha1.DriftEntry{
		Object: v1alpha1.ObjectReference{Kind: "Role", Name: "bulwark-developer"},
		Change: v1alpha1.DriftChangeMissing, State: v1alpha1.DriftStatePresent,
	}
)

func unreported(p *Posture) { p.Report, p.Profile = nil, nil }

func TestHaveDrift(t *testing.T) {
	web := Restricted("web")
	for sentence, j := range map[string]judged{
		"any": {
			matcher: HaveDrift(Drift{}), actual: shop(web, drifted(ofRole)), match: true,
			says: "Expected namespace shop not to have drift. Its report tells of:\n  Role bulwark-developer was Missing and is Present",
		},
		"none": {
			matcher: HaveDrift(Drift{Kind: "Role"}), actual: shop(web),
			says: "Expected namespace shop to have drift of Role. Its report tells of no drift.",
		},
		"another": {
			matcher: HaveDrift(Drift{
				Kind: "NetworkPolicy", Name: "bulwark-default-deny", Field: "spec.policyTypes", Manager: "bob",
				Change: v1alpha1.DriftChangeModified, State: v1alpha1.DriftStateCorrected,
			}),
			actual: shop(web, drifted(ofPolicy, ofRole)),
			says: `Expected namespace shop to have drift of NetworkPolicy bulwark-default-deny in spec.policyTypes by the field manager bob, Modified, Corrected. Its report tells of:
  NetworkPolicy bulwark-default-deny was Modified and is Corrected; spec.policyTypes: want ["Ingress"], got none; by the field manager alice
  Role bulwark-developer was Missing and is Present`,
		},
		"of a field, by one above it": {
			matcher: HaveDrift(Drift{Field: "spec"}), actual: shop(web, drifted(ofPolicy)), match: true,
			says: `Expected namespace shop not to have drift in spec. Its report tells of:
  NetworkPolicy bulwark-default-deny was Modified and is Corrected; spec.policyTypes: want ["Ingress"], got none; by the field manager alice`,
		},
		"of a field, by another that begins so": {
			matcher: HaveDrift(Drift{Field: "spec.policy"}), actual: shop(web, drifted(ofPolicy)),
			says: `Expected namespace shop to have drift in spec.policy. Its report tells of:
  NetworkPolicy bulwark-default-deny was Modified and is Corrected; spec.policyTypes: want ["Ingress"], got none; by the field manager alice`,
		},
		"no report": {
			matcher: HaveDrift(Drift{}), actual: shop(web, unreported),
			says: "Expected namespace shop to have drift. There is no report on it: no profile governs it, or Bulwark has not been there yet.",
		},
		"what is no posture": {
			matcher: HaveDrift(Drift{}), actual: "shop", err: "HaveDrift expects what Posture returns, and not a string",
		},
	} {
		t.Run(sentence, j.run)
	}
}

func TestBeCompliantWith(t *testing.T) {
	web := Restricted("web")
	open := Restricted("web")
	open.Spec.Network.DefaultDeny = open.Spec.Network.DefaultDeny[:1]
	const not = "Expected namespace shop to be compliant with SecurityProfile web. It is not:\n  "
	for sentence, j := range map[string]judged{
		"it is": {
			matcher: BeCompliantWith(web), actual: shop(web), match: true,
			says: "Expected namespace shop not to be compliant with SecurityProfile web. It is.",
		},
		"no report": {
			matcher: BeCompliantWith(web), actual: shop(web, unreported), says: not + "Bulwark has not reported on the namespace yet",
		},
		"the profile is gone": {
			matcher: BeCompliantWith(web), actual: shop(web, func(p *Posture) { p.Profile = nil }),
			says: not + "SecurityProfile web, which the report is on, is gone",
		},
		"another profile governs": {
			matcher: BeCompliantWith(web), actual: shop(Baseline("loose")), says: not + "the report is on SecurityProfile loose",
		},
		"the report is old": {
			matcher: BeCompliantWith(web), actual: shop(web, func(p *Posture) { p.Profile.Generation = 4 }),
			says: not + "the report is on generation 3 of the profile, which is at 4",
		},
		"the namespace is another one": {
			matcher: BeCompliantWith(web), actual: shop(web, func(p *Posture) { p.Namespace.UID = "uid-3" }),
			says: not + "the report is on a namespace of that name that is gone",
		},
		"an object differs, whatever the report says": {
			matcher: BeCompliantWith(web), actual: shop(open, func(p *Posture) { p.Profile.Spec = web.Spec }),
			says: not + `NetworkPolicy bulwark-default-deny is modified; spec.policyTypes: want ["Ingress","Egress"], got ["Ingress"]
  NetworkPolicy bulwark-allow-same-namespace is modified; spec.egress: want [{"to":[{"podSelector":{}}]}], got none; spec.policyTypes: want ["Ingress","Egress"], got ["Ingress"]`,
		},
		"an object was refused, another waits, and a third weakens": {
			matcher: BeCompliantWith(web), actual: shop(web, func(p *Posture) {
				p.Report.Status.Conditions[0].Status = metav1.ConditionFalse
				p.Report.Objects = []v1alpha1.ManagedObject{
					{ObjectReference: ofRole.Object, State: v1alpha1.ObjectStateFailed, Message: "it may not grant that"},
					{ObjectReference: ofPolicy.Object, State: v1alpha1.ObjectStateCompliant},
				}
				p.Report.Blocked = []v1alpha1.BlockedObject{{
					Object: v1alpha1.ObjectReference{Kind: "LimitRange", Name: "bulwark-limits"}, Message: "it would refuse the pod p",
				}}
				p.Report.Findings = []v1alpha1.Finding{{
					ID: v1alpha1.FindingIDNetworkReopened, Severity: v1alpha1.SeverityHigh,
					Object: v1alpha1.ObjectReference{Kind: "NetworkPolicy", Name: "open"}, Message: "it lets everybody in",
				}}
			}),
			says: not + `Role bulwark-developer is Failed: it may not grant that
  LimitRange bulwark-limits waits: it would refuse the pod p
  NetworkReopened (High): NetworkPolicy open: it lets everybody in`,
		},
		"what is no posture": {
			matcher: BeCompliantWith(web), actual: (*Posture)(nil), err: "BeCompliantWith expects what Posture returns, and not a *posturetest.Posture",
		},
	} {
		t.Run(sentence, j.run)
	}
}
