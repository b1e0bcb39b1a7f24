package admission

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// TokenPath is where Kubernetes mounts the token of a pod's service account.
const TokenPath = "/var/run/secrets/kubernetes.io/serviceaccount" //nolint:gosec // It is a path, and no token.

// TokenVolumePrefix begins the name of the volume that Kubernetes mounts there. It takes a volume
// of such a name that there is.
const TokenVolumePrefix = "kube-api-access-"

func (r *renderer) workloads() []Policy {
	return r.sectionPolicies(
		&PodSection{Field: "spec.workloads", Label: v1alpha1.WorkloadsLabel, concern: workloads},
		(*renderer).workloadRules,
	)
}

// workloadRules are the rules for pods of spec.workloads.
func (r *renderer) workloadRules() (draft, []podRule) {
	w := r.spec.Workloads
	if w == nil {
		return draft{}, nil
	}
	d := draft{concern: workloads, action: w.Action}
	if len(w.RequireProbes) > 0 {
		d.variables = probeVariables()
	}
	return d, slices.Concat(
		securityContextRules(
			w,
		),
		r.resourceRules("requireRequests", w.RequireRequests),
		r.resourceRules("requireLimits", w.RequireLimits),
		probeRules(w.RequireProbes),
		hostRules(w),
		tokenRules(w),
		schedulingRules(w),
	)
}

func securityContextRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	add := func(name, offenders, must string) {
		rules = append(rules, podRule{name: name, what: "container", offenders: offenders, must: must})
	}
	if w.ReadOnlyRootFilesystem == v1alpha1.RequirementRequire {
		root := own("readOnlyRootFilesystem")
		add("readOnlyRootFilesystem",
			onLinux(broken("variables.containers", root.now()+".orValue(false)", root)),
			"must set securityContext.readOnlyRootFilesystem to true")
	}
	if w.RunAsNonRoot == v1alpha1.RequirementRequire {
		nonRoot, user := inherited("runAsNonRoot"), inherited("runAsUser")
		add("runAsNonRoot",
			broken("variables.containers", nonRoot.now()+".orValue(false) && "+user.now()+".orValue(1) != 0", nonRoot, user),
			"must set securityContext.runAsNonRoot to true and runAsUser not to 0, or the pod must")
	}
	if w.DropAllCapabilities == v1alpha1.RequirementRequire {
		capabilities := own("capabilities")
		add("dropAllCapabilities",
			onLinux(broken("variables.containers", `"ALL" in `+capabilities.now()+`.?drop.orValue([]) && `+
				capabilities.now()+`.?add.orValue([]).all(a, a == "NET_BIND_SERVICE")`, capabilities)),
			"must set securityContext.capabilities.drop to [ALL] and add none but NET_BIND_SERVICE")
	}
	if len(w.Seccomp) > 0 {
		seccomp := inherited("seccompProfile").typed()
		add("seccomp",
			onLinux(broken("variables.containers", seccomp.now()+`.orValue("") in `+list(w.Seccomp), seccomp)),
			"must set securityContext.seccompProfile.type to one of "+words(w.Seccomp)+", or the pod must")
	}
	if len(w.AppArmor) > 0 {
		appArmor := inherited("appArmorProfile").typed()
		add("appArmor",
			onLinux(broken(
				"variables.containers",
				appArmor.now()+".orValue("+quote(
					string(corev1.AppArmorProfileTypeRuntimeDefault),
				)+") in "+list(
					w.AppArmor,
				),
				appArmor,
			)),
			"must have for securityContext.appArmorProfile.type one of "+words(w.AppArmor))
	}
	if len(w.SELinux) > 0 {
		seLinux := inherited("seLinuxOptions.?type")
		add(
			"seLinux",
			onLinux(
				broken("variables.containers", seLinux.now()+`.orValue("") in `+list(append([]string{""}, w.SELinux...)), seLinux),
			),
			"must have for securityContext.seLinuxOptions.type one of "+words(w.SELinux)+", or none",
		)
	}
	return rules
}

// own is a field of a container's security context, if it is set.
func own(field string) judged {
	return func(container, _ string) string { return container + ".?securityContext.?" + field }
}

// inherited is a field of a container's security context, or else of its pod's, if it is set.
func inherited(field string) judged {
	return func(container, podSpec string) string {
		return fmt.Sprintf(`%s.?securityContext.?%[3]s.or(%[2]s.?securityContext.?%[3]s)`, container, podSpec, field)
	}
}

// typed is the type of a profile. A profile is one thing: the pod's does not show through one that
// the container has.
func (j judged) typed() judged {
	return func(container, podSpec string) string { return j(container, podSpec) + ".?type" }
}

// resourceRules ask for requests or limits. Requests count where there are limits.
func (r *renderer) resourceRules(name string, resources []corev1.ResourceName) []podRule {
	var rules []podRule
	limits := name == "requireLimits"
	defaulted := r.defaulted(limits)
	for _, resource := range resources {
		field, amount := "requests", requested(resource)
		if limits {
			field, amount = "limits", limited(resource)
		}
		ofContainer := judged(func(container, _ string) string { return fmt.Sprintf(amount, container) })
		ofPod := judged(func(_, podSpec string) string { return fmt.Sprintf(amount, podSpec) })
		offenders := broken("variables.started", ofContainer.now()+positive+" || "+ofPod.now()+positive, ofContainer, ofPod)
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

// limited is the limit of a resource that %s has, if any.
func limited(resource corev1.ResourceName) string {
	return fmt.Sprintf(`%%[1]s.?resources.?limits[?%s]`, quote(string(resource)))
}

// requested is the request for a resource that %s has, if any. Where it does not say, its limit is
// taken for it.
func requested(resource corev1.ResourceName) string {
	return fmt.Sprintf(
		`%%[1]s.?resources.?requests[?%[1]s].or(%%[1]s.?resources.?limits[?%[1]s])`,
		quote(string(resource)),
	)
}

// positive is whether an amount is given, and not as zero: the kubelet takes a limit of zero for
// none.
const positive = `.optMap(q, quantity(q).isGreaterThan(quantity("0"))).orValue(false)`

// identifier is a resource's name as a part of a variable's.
func identifier(resource corev1.ResourceName) string {
	return map[corev1.ResourceName]string{
		corev1.ResourceCPU: "CPU", corev1.ResourceMemory: "Memory", corev1.ResourceEphemeralStorage: "EphemeralStorage",
	}[resource]
}

// defaulted are the resources that the profile's own LimitRange gives every container a request
// for, or a limit.
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
		taken := judged(hostPorts)
		rules = append(rules, podRule{
			name: "hostPort",
			what: "container",
			offenders: broken(
				"variables.containers",
				taken.now()+`.all(p, `+some(append([]string{"p == 0"}, ranges...))+`)`,
				taken,
			),
			must: "must take " + noneOr("host port", said),
		})
	}
	if w.HostNetwork == v1alpha1.ProhibitionForbid {
		rules = append(rules, podRule{
			name:      "hostNetwork",
			offenders: `variables.podSpec.?hostNetwork.orValue(false) && !variables.podSpecBefore.?hostNetwork.orValue(false) ? ["pod"] : []`,
			must:      "must not set hostNetwork to true",
		})
	}
	return rules
}

// hostPorts are the ports of the host that a container takes, and 0 for each that it does not. In
// the host's network each port of a container is one of the host, as Kubernetes defaults it.
func hostPorts(container, podSpec string) string {
	return fmt.Sprintf(`%s.?ports.orValue([]).map(p, int(p.?hostPort.orValue(`+
		`%s.?hostNetwork.orValue(false) ? p.?containerPort.orValue(0) : 0)))`, container, podSpec)
}

func hostPathRule(allowed []v1alpha1.AllowedHostPath) podRule {
	var conditions, said []string
	for _, a := range allowed {
		below := fmt.Sprintf(
			`(v.hostPath.path == %s || v.hostPath.path.startsWith(%s))`,
			quote(a.PathPrefix),
			quote(a.PathPrefix+"/"),
		)
		word := a.PathPrefix
		if a.ReadOnly == v1alpha1.RequirementRequire {
			word += " (readOnly)"
			below = all(
				[]string{
					below,
					`variables.containers.all(c, c.now.?volumeMounts.orValue([]).all(m, m.name != v.name || m.?readOnly.orValue(false)))`,
				},
			)
		}
		conditions = append(conditions, below)
		said = append(said, word)
	}
	holds := some(conditions) + ` && !v.hostPath.path.split("/").exists(s, s == "..")`
	return podRule{
		name: "hostPath",
		what: "volume",
		offenders: fmt.Sprintf(
			`variables.podSpec.?volumes.orValue([]).filter(v, has(v.hostPath) && !(%s) && !(%s)).map(v, string(v.name))`,
			holds,
			sameHostPath,
		),
		must: "must be " + noneOr("hostPath", said),
	}
}

// sameHostPath is whether the hostPath volume v was there before, and every mount of it too.
const sameHostPath = `variables.podSpecBefore.?volumes.orValue([]).exists(b, b.name == v.name && b.?hostPath.?path == optional.of(v.hostPath.path)) && ` +
	`variables.containers.all(c, c.now.?volumeMounts.orValue([]).all(m, m.name != v.name || ` +
	`c.before.exists(b, b.?volumeMounts.orValue([]).exists(n, n.name == m.name && n.?readOnly.orValue(false) == m.?readOnly.orValue(false)))))`

// noneOr says that there may be none of something, or only those that are allowed.
func noneOr(what string, allowed []string) string {
	if len(allowed) == 0 {
		return "no " + what
	}
	return "no " + what + " but " + words(allowed)
}

// tokenRules forbid that the service account's token is mounted without being asked for. When a pod
// is admitted, the API server has already mounted it where the service account says so: at its
// path, from a volume of its name. A pod that projects a token itself asks for it. What has a
// volume of that name before it is admitted has it mounted by the API server, whatever it holds.
func tokenRules(w *v1alpha1.Workloads) []podRule {
	if w.AutomountServiceAccountToken != v1alpha1.ProhibitionForbid {
		return nil
	}
	injected := fmt.Sprintf(`variables.isPod && variables.containers.exists(c, c.now.?volumeMounts.orValue([]).exists(m, `+
		`m.mountPath == %s && m.name.startsWith(%s)))`, quote(TokenPath), quote(TokenVolumePrefix))
	return []podRule{{
		name: "automountServiceAccountToken",
		offenders: fmt.Sprintf(`variables.podSpec.?automountServiceAccountToken.orValue(variables.isNew && %s) && `+
			`(variables.isNew || variables.podSpec.?automountServiceAccountToken != variables.podSpecBefore.?automountServiceAccountToken) ? ["pod"] : []`, injected),
		must: "must set automountServiceAccountToken to false, or its service account must",
	}}
}

// services is the policy on the types of Services.
func (r *renderer) services() []Policy {
	w := r.spec.Workloads
	if w == nil || len(w.AllowedServiceTypes) == 0 {
		return nil
	}
	said := fmt.Sprintf(
		"allowedServiceTypes: the type of a Service must be one of %s (spec.workloads of SecurityProfile %s)",
		words(w.AllowedServiceTypes),
		r.profile.Name,
	)
	return []Policy{r.policy(draft{
		concern: services, action: w.Action,
		rules: rulesOn(on("", createOrUpdate, "services")),
		conditions: []admissionregistrationv1.MatchCondition{{
			Name:       "type-is-new",
			Expression: `request.operation == "CREATE" || ` + serviceType("object") + " != " + serviceType("oldObject"),
		}},
		validations: validations(refusal(serviceType("object")+" in "+list(w.AllowedServiceTypes), said, "")),
	})}
}

func serviceType(object string) string { return object + `.spec.?type.orValue("ClusterIP")` }
