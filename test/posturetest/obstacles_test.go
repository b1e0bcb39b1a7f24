package posturetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// told is what Govern would say, and for how long it would wait.
func told(all []obstacle) (string, time.Duration) {
	return strings.TrimPrefix(listed(all), "\n  "), shortest(all)
}

func TestWhatStandsInTheWayOfGoverning(t *testing.T) {
	web := Restricted("web")
	excluding, expressing, strong := web.DeepCopy(), web.DeepCopy(), Baseline("strong")
	excluding.Spec.ExcludeNamespaces = []string{"sandbox", "sh*"}
	expressing.Spec.NamespaceSelector.MatchExpressions = []v1alpha1.LabelRequirement{
		{Key: "tier", Operator: metav1.LabelSelectorOpIn, Values: []string{"prod", "dev"}},
	}
	strong.Spec.NamespaceSelector, strong.Spec.Priority = web.Spec.NamespaceSelector, 9
	selected := map[string]string{ProfileLabel: "web"}
	now := metav1.Now()
	for sentence, tc := range map[string]struct {
		profile *v1alpha1.SecurityProfile
		others  []v1alpha1.SecurityProfile
		ns      metav1.ObjectMeta
		want    string
		waits   time.Duration
	}{
		"nothing": {profile: web, ns: metav1.ObjectMeta{Name: "shop", Labels: selected}, waits: inProgress},
		"it lacks the label": {
			profile: web, ns: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}, waits: needsHelp,
			want: "SecurityProfile web does not select the namespace: it asks for posturetest/profile=web, and the namespace is labelled team=a",
		},
		"it lacks one of two": {
			profile: expressing, ns: metav1.ObjectMeta{Name: "shop", Labels: selected}, waits: needsHelp,
			want: "SecurityProfile web does not select the namespace: it asks for tier in (dev,prod), and the namespace is labelled posturetest/profile=web",
		},
		"it is excluded": {
			profile: excluding, ns: metav1.ObjectMeta{Name: "shop", Labels: selected}, waits: needsHelp,
			want: "SecurityProfile web does not select the namespace: it excludes sh*",
		},
		"it is protected": {
			profile: web, ns: metav1.ObjectMeta{Name: "kube-system", Labels: selected}, waits: hopeless,
			want: "the namespace is protected: no profile selects it",
		},
		"another profile governs it": {
			profile: web, others: []v1alpha1.SecurityProfile{*strong}, ns: metav1.ObjectMeta{Name: "shop", Labels: selected}, waits: needsHelp,
			want: "SecurityProfile strong selects the namespace too, and governs it: its priority is 9, and that of web is 0 (of equals, the smaller name governs)",
		},
		"it is being deleted": {
			profile: web, ns: metav1.ObjectMeta{Name: "shop", Labels: selected, DeletionTimestamp: &now}, waits: hopeless,
			want: "the namespace is being deleted, and Bulwark leaves such a one alone; without kube-controller-manager it is never gone: " +
				"give each test a namespace of its own",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			all := append([]v1alpha1.SecurityProfile{*tc.profile}, tc.others...)
			got, waits := told(toGoverning(tc.profile, all, &corev1.Namespace{ObjectMeta: tc.ns}))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if waits != tc.waits {
				t.Errorf("it is waited for %s, want %s", waits, tc.waits)
			}
		})
	}
}

func TestWhatStandsInTheWayOfReadiness(t *testing.T) {
	web := Restricted("web")
	unready := func(p *Posture) { p.Report.Status.Conditions[0].Status = metav1.ConditionFalse }
	conditions := func(generation int64, all ...metav1.Condition) func(*Posture) {
		return func(p *Posture) {
			for i := range all {
				all[i].ObservedGeneration = generation
			}
			p.Profile.Status.Conditions = all
		}
	}
	admissionIs := func(reason, message string) metav1.Condition {
		return metav1.Condition{
			Type: v1alpha1.ConditionAdmission, Status: metav1.ConditionFalse, Reason: reason, Message: message,
		}
	}
	inForce := conditions(3, metav1.Condition{
		Type: v1alpha1.ConditionAdmission, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonInForce,
	})
	for sentence, tc := range map[string]struct {
		changes []func(*Posture)
		want    string
		waits   time.Duration
	}{
		"nothing": {changes: []func(*Posture){inForce}, waits: inProgress},
		"the profile cannot be carried out, and nothing is reported": {
			changes: []func(*Posture){
				func(p *Posture) { p.Report = nil },
				conditions(3, metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: "InvalidSpec", Message: "a word is missing"}),
			},
			want: "Bulwark has not reported on the namespace yet\n  SecurityProfile web is Stalled: InvalidSpec: a word is missing", waits: needsHelp,
		},
		"the profile cannot be carried out any more": {
			changes: []func(*Posture){func(p *Posture) {
				p.Report.Status.Conditions = append(p.Report.Status.Conditions,
					metav1.Condition{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Message: "a word is missing"})
			}},
			want: "SecurityProfile web cannot be carried out: a word is missing", waits: needsHelp,
		},
		"an object is refused, a quota is not counted, and a Role drifts": {
			changes: []func(*Posture){inForce, unready, drifted(ofPolicy, ofRole), func(p *Posture) {
				p.Report.Objects = []v1alpha1.ManagedObject{
					{ObjectReference: ofPolicy.Object, State: v1alpha1.ObjectStateCompliant},
					{ObjectReference: v1alpha1.ObjectReference{Kind: "RoleBinding", Name: "bulwark-a"}, State: v1alpha1.ObjectStateFailed, Message: "no"},
					{ObjectReference: v1alpha1.ObjectReference{Kind: "ResourceQuota", Name: "bulwark-b"}, State: v1alpha1.ObjectStateUncounted},
				}
			}},
			want:  "RoleBinding bulwark-a is Failed: no\n  ResourceQuota bulwark-b is Uncounted\n  drift: Role bulwark-developer was Missing and is Present",
			waits: needsHelp,
		},
		"what is not said": {
			changes: []func(*Posture){inForce, unready}, want: "the report is not ready: Ready is False: : ", waits: inProgress,
		},
		"nothing is known of the policies": {
			changes: []func(*Posture){conditions(2, admissionIs("PoliciesInForce", ""))},
			want:    "the profile's status says nothing of its admission policies yet", waits: inProgress,
		},
		"a policy was refused": {
			changes: []func(*Posture){conditions(3, admissionIs(v1alpha1.ReasonFailed, "the API server refused policies: no"))},
			want:    "AdmissionReady is False: ApplyFailed: the API server refused policies: no", waits: needsHelp,
		},
		"rules for pods wait": {
			changes: []func(*Posture){conditions(3, admissionIs(v1alpha1.ReasonLooking, "they stay"))},
			want:    "AdmissionReady is False: LookingAtPods: they stay", waits: inProgress,
		},
		"nothing has to be in place under Audit": {
			changes: []func(*Posture){inForce, unready, func(p *Posture) { p.Report.Enforcement = v1alpha1.EnforcementAudit }}, waits: inProgress,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := shop(web, tc.changes...)
			got, waits := told(p.toReadiness(p.Profile))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if waits != tc.waits {
				t.Errorf("it is waited for %s, want %s", waits, tc.waits)
			}
		})
	}
}
