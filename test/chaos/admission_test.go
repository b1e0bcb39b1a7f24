package chaos

import (
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/choose"
)

const (
	// breakGlass is the group that tamper protection does not hold: the administrators of the
	// operations are in it.
	breakGlass = "chaos-break-glass"
	// allowedRegistry is the one that images may come from.
	allowedRegistry = "registry.example.com"
	// pinned is an image that no rule refuses.
	pinned = allowedRegistry + "/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// drawAdmission draws the sections that the API server itself carries out. Pods are refused where
// they break a rule, so that rules are few: without pods nothing has to wait.
func drawAdmission(r *rand.Rand, spec *v1alpha1.SecurityProfileSpec) {
	if maybe(r, 0.25) {
		spec.Workloads = randomWorkloads(r)
	}
	if maybe(r, 0.25) {
		spec.Images = randomImages(r)
	}
	protection := &v1alpha1.Protection{}
	if maybe(r, 0.3) {
		protection.ReadyGate = v1alpha1.RequirementRequire
	}
	if maybe(r, 0.4) {
		protection.Tamper, protection.BreakGlassGroups = v1alpha1.ProhibitionForbid, []string{breakGlass}
	}
	if protection.ReadyGate != "" || protection.Tamper != "" {
		spec.Protection = protection
	}
	if tenants := choose.OneOf(
		r,
		"",
		"",
		"",
		v1alpha1.TenantPoliciesAllow,
		v1alpha1.TenantPoliciesWithin,
		v1alpha1.TenantPoliciesDeny,
	); spec.Network != nil {
		spec.Network.TenantPolicies = tenants
	}
}

func randomAction(r *rand.Rand) v1alpha1.AdmissionAction {
	return choose.OneOf(
		r,
		"",
		v1alpha1.AdmissionActionDeny,
		v1alpha1.AdmissionActionDeny,
		v1alpha1.AdmissionActionWarn,
		v1alpha1.AdmissionActionAudit,
	)
}

func randomWorkloads(r *rand.Rand) *v1alpha1.Workloads {
	rules := []func(*v1alpha1.Workloads){
		func(w *v1alpha1.Workloads) { w.ReadOnlyRootFilesystem = v1alpha1.RequirementRequire },
		func(w *v1alpha1.Workloads) {
			w.RunAsNonRoot, w.DropAllCapabilities = v1alpha1.RequirementRequire, v1alpha1.RequirementRequire
		},
		func(w *v1alpha1.Workloads) { w.RequireLimits = []corev1.ResourceName{corev1.ResourceMemory} },
		func(w *v1alpha1.Workloads) {
			w.HostPath, w.HostNetwork = &v1alpha1.HostPath{Policy: v1alpha1.AllowancePolicyForbid}, v1alpha1.ProhibitionForbid
		},
		func(w *v1alpha1.Workloads) { w.AutomountServiceAccountToken = v1alpha1.ProhibitionForbid },
		func(w *v1alpha1.Workloads) { w.AllowedServiceTypes = []corev1.ServiceType{corev1.ServiceTypeClusterIP} },
	}
	w := &v1alpha1.Workloads{Action: randomAction(r)}
	for range 1 + r.IntN(2) {
		choose.OneOf(r, rules...)(w)
	}
	return w
}

func randomImages(r *rand.Rand) *v1alpha1.Images {
	rules := []func(*v1alpha1.Images){
		func(i *v1alpha1.Images) { i.AllowedRegistries = []string{allowedRegistry} },
		func(i *v1alpha1.Images) { i.Digest = v1alpha1.RequirementRequire },
		func(i *v1alpha1.Images) { i.DenyTags = []string{"latest"} },
		func(i *v1alpha1.Images) { i.PullPolicy = corev1.PullIfNotPresent },
	}
	i := &v1alpha1.Images{Action: randomAction(r)}
	for range 1 + r.IntN(2) {
		choose.OneOf(r, rules...)(i)
	}
	return i
}

// outranking are the profiles that govern a namespace before this one does, if there is a tier that
// both select.
func (m *model) outranking(profile *v1alpha1.SecurityProfile) []*v1alpha1.SecurityProfile {
	var outranking []*v1alpha1.SecurityProfile
	for _, p := range m.profiles {
		if byRank(p, profile) < 0 &&
			(selectsTier(p, "a") && selectsTier(profile, "a") || selectsTier(p, "b") && selectsTier(profile, "b")) {
			outranking = append(outranking, p)
		}
	}
	slices.SortFunc(outranking, byRank)
	return outranking
}

// The model's own reading of what a profile refuses where it governs. One that audits refuses
// nothing.

func enforces(profile *v1alpha1.SecurityProfile) bool {
	return profile != nil && profile.EffectiveEnforcement() == v1alpha1.EnforcementEnforce
}

func denies(action v1alpha1.AdmissionAction) bool {
	return action == "" || action == v1alpha1.AdmissionActionDeny
}

func refusesTampering(profile *v1alpha1.SecurityProfile) bool {
	return enforces(profile) && profile.Spec.Protection != nil && profile.Spec.Protection.Tamper != ""
}

func hasGate(profile *v1alpha1.SecurityProfile) bool {
	return enforces(profile) && profile.Spec.Protection != nil && profile.Spec.Protection.ReadyGate != ""
}

// refusesPolicy reports whether a NetworkPolicy of a tenant is refused that opens ingress to
// everybody, or nothing.
func refusesPolicy(profile *v1alpha1.SecurityProfile, opens bool) bool {
	if !enforces(profile) || profile.Spec.Network == nil {
		return false
	}
	tenants := profile.Spec.Network.TenantPolicies
	return tenants == v1alpha1.TenantPoliciesDeny || opens && tenants == v1alpha1.TenantPoliciesWithin
}

// refusesPlain reports whether spec.workloads refuses the plain pod of the probes.
func refusesPlain(profile *v1alpha1.SecurityProfile) bool {
	w := profile.Spec.Workloads
	return enforces(profile) && w != nil && denies(w.Action) &&
		(w.ReadOnlyRootFilesystem != "" || len(w.RequireLimits) > 0 || w.AutomountServiceAccountToken == v1alpha1.ProhibitionForbid)
}

// refusesUnpinned reports whether spec.images refuses the image of the plain pod of the probes,
// which is app:v1.
func refusesUnpinned(profile *v1alpha1.SecurityProfile) bool {
	i := profile.Spec.Images
	return enforces(profile) && i != nil && denies(i.Action) && (len(i.AllowedRegistries) > 0 || i.Digest != "")
}

// refusesNodePort reports whether spec.workloads refuses a Service that takes a port of each node.
func refusesNodePort(profile *v1alpha1.SecurityProfile) bool {
	w := profile.Spec.Workloads
	return enforces(profile) && w != nil && denies(w.Action) && len(w.AllowedServiceTypes) > 0
}
