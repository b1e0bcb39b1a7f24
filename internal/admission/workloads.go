package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// TokenPath is where Kubernetes mounts the token of a pod's service account.
const TokenPath = "/var/run/secrets/kubernetes.io/serviceaccount" //nolint:gosec // It is a path, and no token.

func (r *renderer) workloads() []Policy {
	w := r.spec.Workloads
	if w == nil {
		return nil
	}
	rules := slices.Concat(
		securityContextRules(w), r.resourceRules("requireRequests", w.RequireRequests), r.resourceRules("requireLimits", w.RequireLimits),
		probeRules(w.RequireProbes), hostRules(w), tokenRules(w))
	return r.podPolicy(draft{concern: workloads, action: w.Action}, "spec.workloads", rules)
}

func securityContextRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	add := func(name, offenders, must string) {
		rules = append(rules, podRule{name: name, what: "container", offenders: offenders, must: must})
	}
	if w.ReadOnlyRootFilesystem {
		add("readOnlyRootFilesystem",
			onLinux(broken("variables.containers", `c.?securityContext.?readOnlyRootFilesystem.orValue(false)`)),
			"must set securityContext.readOnlyRootFilesystem to true")
	}
	if w.RunAsNonRoot {
		add("runAsNonRoot",
			broken("variables.containers", own("runAsNonRoot", "false")+" && "+own("runAsUser", "1")+" != 0"),
			"must set securityContext.runAsNonRoot to true and runAsUser not to 0, or the pod must")
	}
	if w.DropAllCapabilities {
		add("dropAllCapabilities",
			onLinux(broken("variables.containers", `"ALL" in c.?securityContext.?capabilities.?drop.orValue([]) && `+
				`c.?securityContext.?capabilities.?add.orValue([]).all(a, a == "NET_BIND_SERVICE")`)),
			"must set securityContext.capabilities.drop to [ALL] and add none but NET_BIND_SERVICE")
	}
	if len(w.Seccomp) > 0 {
		add("seccomp",
			onLinux(broken("variables.containers", ownType("seccompProfile", "")+" in "+list(w.Seccomp))),
			"must set securityContext.seccompProfile.type to one of "+words(w.Seccomp)+", or the pod must")
	}
	if len(w.AppArmor) > 0 {
		add("appArmor",
			onLinux(broken("variables.containers", ownType("appArmorProfile", string(corev1.AppArmorProfileTypeRuntimeDefault))+" in "+list(w.AppArmor))),
			"must have for securityContext.appArmorProfile.type one of "+words(w.AppArmor))
	}
	if len(w.SELinux) > 0 {
		add("seLinux",
			onLinux(broken("variables.containers", fmt.Sprintf(
				`c.?securityContext.?seLinuxOptions.?type.orValue(variables.podSecurity.?seLinuxOptions.?type.orValue("")) in %s`,
				list(append([]string{""}, w.SELinux...))))),
			"must have for securityContext.seLinuxOptions.type one of "+words(w.SELinux)+", or none")
	}
	return rules
}

// own is a field of a container's security context, or else of its pod's, or else a default.
func own(field, otherwise string) string {
	return fmt.Sprintf(`c.?securityContext.?%[1]s.orValue(variables.podSecurity.?%[1]s.orValue(%[2]s))`, field, otherwise)
}

// ownType is the type of a profile of a container's security context, or else of its pod's, or else a default. A profile is one thing:
// the pod's does not show through one that the container has.
func ownType(profile, otherwise string) string {
	return fmt.Sprintf(`c.?securityContext.?%[1]s.orValue(variables.podSecurity.?%[1]s.orValue({})).?type.orValue(%[2]s)`, profile, quote(otherwise))
}

// resourceRules ask for requests or limits. Requests count where there are limits.
func (r *renderer) resourceRules(name string, resources []corev1.ResourceName) []podRule {
	var rules []podRule
	limits := name == "requireLimits"
	defaulted := r.defaulted(limits)
	for _, resource := range resources {
		field, given := "limits", given("limits", resource)
		if !limits {
			field, given = "requests", requested(resource)
		}
		holds := fmt.Sprintf(given, "c") + " || " + fmt.Sprintf(given, "variables.podSpec")
		offenders := broken("variables.started", holds)
		if slices.Contains(defaulted, resource) {
			offenders = fmt.Sprintf(`variables.isPod ? %s : []`, offenders)
		}
		rules = append(rules, podRule{
			name: name + identifier(resource), what: "container", offenders: offenders,
			must: fmt.Sprintf("must set resources.%s[%s], or the pod must", field, resource),
		})
	}
	return rules
}

// given is whether a resource of a list of %s is given, and not as zero: the kubelet takes a limit of zero for none.
func given(list string, resource corev1.ResourceName) string {
	return fmt.Sprintf(`%%[1]s.?resources.?%s[?%s]`, list, quote(string(resource))) + positive
}

// requested is whether %s requests a resource. Where it does not say, its limit is taken for it.
func requested(resource corev1.ResourceName) string {
	return fmt.Sprintf(`%%[1]s.?resources.?requests[?%[1]s].or(%%[1]s.?resources.?limits[?%[1]s])`, quote(string(resource))) + positive
}

const positive = `.optMap(q, quantity(q).isGreaterThan(quantity("0"))).orValue(false)`

// identifier is a resource's name as a part of a variable's.
func identifier(resource corev1.ResourceName) string {
	return map[corev1.ResourceName]string{
		corev1.ResourceCPU: "CPU", corev1.ResourceMemory: "Memory", corev1.ResourceEphemeralStorage: "EphemeralStorage",
	}[resource]
}

// defaulted are the resources that the profile's own LimitRange gives every container a request for, or a limit.
func (r *renderer) defaulted(limits bool) []corev1.ResourceName {
	item := baseline.ContainerLimits(r.profile)
	from := item.DefaultRequest
	if limits {
		from = item.Default
	}
	var resources []corev1.ResourceName
	for resource := range from {
		resources = append(resources, resource)
	}
	return resources
}

func probeRules(probes []v1alpha1.Probe) []podRule {
	var rules []podRule
	for _, probe := range probes {
		field := map[v1alpha1.Probe]string{
			v1alpha1.LivenessProbe: "livenessProbe", v1alpha1.ReadinessProbe: "readinessProbe", v1alpha1.StartupProbe: "startupProbe",
		}[probe]
		// Of init containers only sidecars, which are restarted always, can have probes.
		served := `(variables.podSpec.?containers.orValue([]) + ` +
			`variables.podSpec.?initContainers.orValue([]).filter(c, c.?restartPolicy.orValue("") == "Always"))`
		rules = append(rules, podRule{
			name: "requireProbes" + string(probe), what: "container",
			offenders: fmt.Sprintf(`variables.podSpec.?restartPolicy.orValue("Always") == "Always" ? %s : []`,
				broken(served, fmt.Sprintf(`c.?%s.hasValue()`, field))),
			must: "must have a " + field,
		})
	}
	return rules
}

// hostRules are about what a pod takes of its host.
func hostRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	if w.HostPath != nil {
		rules = append(rules, hostPathRule(w.HostPath.Allowed))
	}
	if w.HostPort != nil {
		var ranges, said []string
		for _, a := range w.HostPort.Allowed {
			ranges = append(ranges, fmt.Sprintf(`(p >= %d && p <= %d)`, a.Min, a.Max))
			said = append(said, fmt.Sprintf("%d-%d", a.Min, a.Max))
		}
		// In the host's network each port of a container is one of the host, as Kubernetes defaults it.
		taken := `c.?ports.orValue([]).map(p, int(p.?hostPort.orValue(` +
			`variables.podSpec.?hostNetwork.orValue(false) ? p.?containerPort.orValue(0) : 0)))`
		rules = append(rules, podRule{
			name: "hostPort", what: "container",
			offenders: broken("variables.containers", taken+`.all(p, `+some(append([]string{"p == 0"}, ranges...))+`)`),
			must:      "must take " + noneOr("host port", said),
		})
	}
	if w.HostNetwork == v1alpha1.Forbid {
		rules = append(rules, podRule{
			name:      "hostNetwork",
			offenders: `variables.podSpec.?hostNetwork.orValue(false) ? ["pod"] : []`,
			must:      "must not set hostNetwork to true",
		})
	}
	return rules
}

func hostPathRule(allowed []v1alpha1.AllowedHostPath) podRule {
	var conditions, said []string
	for _, a := range allowed {
		below := fmt.Sprintf(`(v.hostPath.path == %s || v.hostPath.path.startsWith(%s))`, quote(a.PathPrefix), quote(a.PathPrefix+"/"))
		word := a.PathPrefix
		if a.ReadOnly {
			word += " (readOnly)"
			below = all([]string{below, `variables.containers.all(c, c.?volumeMounts.orValue([]).all(m, m.name != v.name || m.?readOnly.orValue(false)))`})
		}
		conditions = append(conditions, below)
		said = append(said, word)
	}
	return podRule{
		name: "hostPath", what: "volume",
		offenders: fmt.Sprintf(`variables.podSpec.?volumes.orValue([]).filter(v, has(v.hostPath) && !(%s && !v.hostPath.path.split("/").exists(s, s == ".."))).map(v, string(v.name))`,
			some(conditions)),
		must: "must be " + noneOr("hostPath", said),
	}
}

// noneOr says that there may be none of something, or only those that are allowed.
func noneOr(what string, allowed []string) string {
	if len(allowed) == 0 {
		return "no " + what
	}
	return "no " + what + " but " + words(allowed)
}

// tokenRules forbid that the service account's token is mounted without being asked for. When a pod is admitted, the API server has
// already mounted it where the service account says so.
func tokenRules(w *v1alpha1.Workloads) []podRule {
	if w.AutomountServiceAccountToken != v1alpha1.Forbid {
		return nil
	}
	return []podRule{{
		name: "automountServiceAccountToken",
		offenders: fmt.Sprintf(`variables.podSpec.?automountServiceAccountToken.orValue(variables.isPod && `+
			`variables.containers.exists(c, c.?volumeMounts.orValue([]).exists(m, m.mountPath == %s))) ? ["pod"] : []`, quote(TokenPath)),
		must: "must set automountServiceAccountToken to false, or its service account must",
	}}
}

// services is the policy on the types of Services.
func (r *renderer) services() []Policy {
	w := r.spec.Workloads
	if w == nil || len(w.AllowedServiceTypes) == 0 {
		return nil
	}
	said := fmt.Sprintf("allowedServiceTypes: the type of a Service must be one of %s (spec.workloads of SecurityProfile %s)",
		words(w.AllowedServiceTypes), r.profile.Name)
	return []Policy{r.policy(draft{
		concern: services, action: w.Action,
		rules:      rulesOn(on("", createOrUpdate, "services")),
		conditions: specChanged(),
		validations: validations(refusal(
			`object.spec.?type.orValue("ClusterIP") in `+list(w.AllowedServiceTypes), said, "")),
	})}
}
