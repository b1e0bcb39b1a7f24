package admission

import (
	"flag"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// generatedProfiles is how many profiles are generated. A failure tells the seed, and -rapid.seed
// replays it.
const generatedProfiles = 100

// everything is a profile with every policy and every rule.
const everything = `namespaceSelector: {matchLabels: {no: namespace}, matchExpressions: [{key: tier, operator: NotIn, values: [x]}]},
	excludeNamespaces: [a, 'b-*'], podSecurity: {enforce: restricted, warn: restricted}, rbac: {defaultServiceAccount: {}},
	limits: [{type: Container, default: {cpu: 100m}}], network: {defaultDeny: [Ingress, Egress], tenantPolicies: Within},
	workloads: {readOnlyRootFilesystem: Require, runAsNonRoot: Require, dropAllCapabilities: Require, seccomp: [RuntimeDefault], appArmor: [RuntimeDefault], seLinux: [container_t],
	  requireRequests: [cpu, memory, ephemeral-storage], requireLimits: [cpu, memory, ephemeral-storage], requireProbes: [Liveness, Readiness, Startup],
	  hostPath: {policy: AllowListed, allowed: [{pathPrefix: /var/log, readOnly: Require}, {pathPrefix: /data}]}, hostPort: {policy: AllowListed, allowed: [{min: 1, max: 2}]}, hostNetwork: Forbid,
	  automountServiceAccountToken: Forbid, allowedServiceTypes: [ClusterIP, ExternalName], nodeName: Forbid, priorityClasses: {policy: AllowListed, allowed: [batch]},
	  tolerations: {policy: AllowListed, allowed: [{key: example.com/dedicated, values: [team-a, '']}, {key: gpu}]}},
	images: {allowedRegistries: [ghcr.io, 'localhost:5000/x'], digest: Require, denyTags: [latest, dev], pullPolicy: Always},
	protection: {readyGate: Require, tamper: Forbid, breakGlassGroups: ['sre-on-call', 'oidc:it''s']}`

// cluster is one in which other profiles go before.
func cluster(t *testing.T) bulwark.Cluster {
	t.Helper()
	first, second := &v1alpha1.SecurityProfile{}, &v1alpha1.SecurityProfile{}
	read(t, `namespaceSelector: {matchLabels: {a: b}}, excludeNamespaces: ['x-*']`, &first.Spec)
	read(
		t,
		`namespaceSelector: {matchExpressions: [{key: a, operator: Exists}, {key: b, operator: DoesNotExist}, {key: c, operator: In, values: [d, '']}]}`,
		&second.Spec,
	)
	return bulwark.Cluster{
		Operator:   controlplane.OperatorUser,
		Protected:  []string{"kube-system", "[a-c]*", `d\-?`},
		Outranking: []*v1alpha1.SecurityProfile{first, second},
		Proof:      bulwark.Proof{UID: "00000000-0000-0000-0000-000000000001", Credential: true},
	}
}

// stored is a profile of this name and spec that the API server holds.
func (s *suite) stored(t *testing.T, name, spec string) *v1alpha1.SecurityProfile {
	t.Helper()
	profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
	read(t, spec, &profile.Spec)
	s.create(t, profile)
	return profile
}

// testTypeChecking asks kube-controller-manager, which holds each expression against the schema of
// each kind that it is about.
func (s *suite) testTypeChecking(t *testing.T) {
	within, deny := cluster(t), bulwark.Cluster{Operator: controlplane.OperatorUser}
	var policies []bulwark.Policy
	policies = append(policies, bulwark.Render(s.stored(t, "everything", everything), within)...)
	policies = append(policies, bulwark.Render(s.stored(
		t,
		"everything-else",
		"namespaceSelector: {matchLabels: {no: namespace}}, network: {defaultDeny: [Ingress], tenantPolicies: Deny}, workloads: {hostPath: {policy: Forbid}, hostPort: {policy: Forbid}}, "+
			"podSecurity: {enforce: baseline}, protection: {tamper: Forbid}",
	), deny)...)
	s.apply(t, policies)
	for _, p := range policies {
		checked := &admissionregistrationv1.ValidatingAdmissionPolicy{}
		eventually(t, p.Name+" is type-checked", func() (bool, error) {
			err := s.admin.Get(s.ctx, client.ObjectKeyFromObject(p.ValidatingAdmissionPolicy), checked)
			return err == nil && checked.Status.ObservedGeneration > 0, err
		})
		if checked.Status.TypeChecking == nil {
			t.Errorf("%s has no result: %+v", p.Name, checked.Status)
			continue
		}
		for _, w := range checked.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s: %s: %s", p.Name, w.FieldRef, w.Warning)
		}
	}
	if len(policies) < 10 {
		t.Errorf("only %d policies were rendered", len(policies))
	}
}

func (s *suite) testFixpoint(t *testing.T) {
	for sentence, spec := range map[string]string{
		"everything":            everything,
		"everything, audited":   "enforcement: Audit, " + everything,
		"a baseline that stays": "deletionPolicy: Retain, " + everything,
		"one rule":              "namespaceSelector: {}, workloads: {hostNetwork: Forbid}",
		"warning":               "namespaceSelector: {}, workloads: {action: Warn, hostPath: {policy: Forbid}}, images: {action: Audit, denyTags: [latest]}",
		"a network":             "namespaceSelector: {}, network: {defaultDeny: [Egress], tenantPolicies: Deny}",
		"another network":       "namespaceSelector: {}, network: {defaultDeny: [Egress], tenantPolicies: Within}",
		"no policy":             "namespaceSelector: {}, network: {defaultDeny: [Egress], tenantPolicies: Allow}, protection: {}",
		"tamper only":           "namespaceSelector: {}, network: {defaultDeny: [Egress]}, protection: {tamper: Forbid}",
	} {
		t.Run(sentence, func(t *testing.T) {
			profile := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "fixpoint"}}
			read(t, spec, &profile.Spec)
			if sentence != "one rule" && profile.Spec.NamespaceSelector.MatchLabels == nil {
				profile.Spec.NamespaceSelector.MatchLabels = map[string]string{
					"no": "namespace",
				} // It would hold for all that is done here.
			}
			s.checkStored(t, profile, cluster(t))
			profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"no": "namespace"}
			s.checkStored(t, profile, bulwark.Cluster{Operator: controlplane.OperatorUser})
		})
	}
	samples, err := fixture.Samples()
	if err != nil {
		t.Fatal(err)
	}
	for i := range samples {
		t.Run("sample "+samples[i].Name, func(t *testing.T) { s.checkAsIf(t, &samples[i], cluster(t)) })
	}
	t.Run("generated", func(t *testing.T) {
		for name, value := range map[string]string{"rapid.checks": fmt.Sprint(generatedProfiles), "rapid.nofailfile": "true"} {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		policies := 0
		rapid.Check(t, func(t *rapid.T) {
			policies += s.checkAsIf(t, profiles().Draw(t, "profile"), clusters().Draw(t, "cluster"))
		})
		t.Logf("%d policies", policies)
	})
}

// checkStored stores the profile and what is rendered of it, and reads that back.
func (s *suite) checkStored(t *testing.T, profile *v1alpha1.SecurityProfile, cluster bulwark.Cluster) {
	t.Helper()
	profile = profile.DeepCopy()
	s.create(t, profile)
	policies := bulwark.Render(profile, cluster)
	s.apply(t, policies)
	for _, want := range bulwark.Objects(policies) {
		got := want.DeepCopyObject().(client.Object)
		if err := s.admin.Get(s.ctx, client.ObjectKeyFromObject(got), got); err != nil {
			t.Fatal(err)
		}
		compare(t, want, got)
		if err := s.admin.Delete(s.ctx, got); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.admin.Delete(s.ctx, profile); err != nil {
		t.Fatal(err)
	}
}

// checkAsIf has the API server say what it would store, and counts the policies.
func (s *suite) checkAsIf(t reporter, profile *v1alpha1.SecurityProfile, cluster bulwark.Cluster) int {
	t.Helper()
	profile = profile.DeepCopy()
	if err := s.admin.Create(s.ctx, profile, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
		t.Fatalf("the API server refuses the profile: %v\n%s", err, fixture.AsYAML(profile))
	}
	before := profile.DeepCopy()
	policies := bulwark.Render(profile, cluster)
	if diff := cmp.Diff(before, profile, cmp.AllowUnexported(v1alpha1.SecurityProfileSpec{})); diff != "" {
		t.Errorf("Render changed its input (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(policies, bulwark.Render(profile, cluster)); diff != "" {
		t.Errorf("Render is not deterministic:\n%s", diff)
	}
	for _, want := range bulwark.Objects(policies) {
		got := want.DeepCopyObject().(client.Object)
		if err := s.admin.Create(s.ctx, got, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
			t.Fatalf(
				"the API server refuses %T %s: %v\nrendered:\n%s\nof the profile:\n%s",
				want,
				want.GetName(),
				err,
				fixture.AsYAML(want),
				fixture.AsYAML(profile),
			)
		}
		compare(t, want, got)
	}
	return len(policies)
}

// reporter is what testing.T and rapid.T have in common.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// compare compares what an object declares.
func compare(t reporter, want baseline.Object, got client.Object) {
	t.Helper()
	var diff string
	switch want := want.(type) {
	case *admissionregistrationv1.ValidatingAdmissionPolicy:
		diff = differing(want.Spec, got.(*admissionregistrationv1.ValidatingAdmissionPolicy).Spec)
	case *admissionregistrationv1.ValidatingAdmissionPolicyBinding:
		diff = differing(want.Spec, got.(*admissionregistrationv1.ValidatingAdmissionPolicyBinding).Spec)
	}
	if diff == "" {
		diff = differing(want.GetLabels(), got.GetLabels()) + differing(want.GetOwnerReferences(), got.GetOwnerReferences())
	}
	if diff != "" {
		t.Errorf("%T %s is not stored as rendered (-rendered +stored):\n%s", want, want.GetName(), diff)
	}
}

func differing(want, got any) string {
	if equality.Semantic.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}
