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
	x := workloadExceptions(w)
	return d, slices.Concat(
		x.securityContextRules(w),
		r.resourceRules(x, "requireRequests", w.RequireRequests),
		r.resourceRules(x, "requireLimits", w.RequireLimits),
		x.probeRules(w.RequireProbes),
		x.hostRules(w),
		tokenRules(w),
		schedulingRules(w),
	)
}

func (x exceptions) securityContextRules(w *v1alpha1.Workloads) []podRule {
	var rules []podRule
	add := func(name, holds, must string, judges ...judged) {
		offenders := x.broken(name, "variables.containers", holds, judges...)
		if name != "runAsNonRoot" {
			offenders = onLinux(offenders)
		}
		rules = append(rules, podRule{name: name, what: "container", offenders: offenders, must: must})
	}
	if w.ReadOnlyRootFilesystem == v1alpha1.RequirementRequire {
		root := own("readOnlyRootFilesystem")
		add("readOnlyRootFilesystem", root.now()+".orValue(false)",
			"must set securityContext.readOnlyRootFilesystem to true", root)
	}
	if w.RunAsNonRoot == v1alpha1.RequirementRequire {
		nonRoot, user := inherited("runAsNonRoot"), inherited("runAsUser")
		add("runAsNonRoot", nonRoot.now()+".orValue(false) && "+user.now()+".orValue(1) != 0",
			"must set securityContext.runAsNonRoot to true and runAsUser not to 0, or the pod must", nonRoot, user)
	}
	if w.DropAllCapabilities == v1alpha1.RequirementRequire {
		capabilities := own("capabilities")
		add("dropAllCapabilities", `"ALL" in `+capabilities.now()+`.?drop.orValue([]) && `+
			capabilities.now()+`.?add.orValue([]).all(a, a == "NET_BIND_SERVICE")`,
			"must set securityContext.capabilities.drop to [ALL] and add none but NET_BIND_SERVICE", capabilities)
	}
	if len(w.Seccomp) > 0 {
		seccomp := inherited("seccompProfile").typed()
		add("seccomp", seccomp.now()+`.orValue("") in `+list(w.Seccomp),
			"must set securityContext.seccompProfile.type to one of "+words(w.Seccomp)+", or the pod must", seccomp)
	}
	if len(w.AppArmor) > 0 {
		appArmor := inherited("appArmorProfile").typed()
		add("appArmor", fmt.Sprintf(`%s.orValue(%s) in %s`,
			appArmor.now(), quote(string(corev1.AppArmorProfileTypeRuntimeDefault)), list(w.AppArmor)),
			"must have for securityContext.appArmorProfile.type one of "+words(w.AppArmor), appArmor)
	}
	if len(w.SELinux) > 0 {
		seLinux := inherited("seLinuxOptions.?type")
		add("seLinux", seLinux.now()+`.orValue("") in `+list(append([]string{""}, w.SELinux...)),
			"must have for securityContext.seLinuxOptions.type one of "+words(w.SELinux)+", or none", seLinux)
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
func (r *renderer) resourceRules(x exceptions, name string, resources []corev1.ResourceName) []podRule {
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
		rule := name + identifier(resource)
		offenders := x.broken(
			rule, "variables.started", ofContainer.now()+positive+" || "+ofPod.now()+positive, ofContainer, ofPod)
		if slices.Contains(defaulted, resource) {
			offenders = fmt.Sprintf(`variables.isPod ? %s : []`, offenders)
		}
		rules = append(rules, podRule{
			name: rule, what: "container", offenders: offenders,
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

// sameHostPath is whether the hostPath volume v was there before, and every mount of it too.
const sameHostPath = `variables.podSpecBefore.?volumes.orValue([]).exists(b, b.name == v.name && b.?hostPath.?path == optional.of(v.hostPath.path)) && ` +
	`variables.containers.all(c, c.now.?volumeMounts.orValue([]).all(m, m.name != v.name || ` +
	`c.before.exists(b, b.?volumeMounts.orValue([]).exists(n, n.name == m.name && n.?readOnly.orValue(false) == m.?readOnly.orValue(false)))))`

// tokenRules forbid that the service account's token is mounted without being asked for. When a pod
// is admitted, the API server has already mounted it where the service account says so: at its
// path, from a volume of its name. A pod that projects a token itself asks for it. A pod that has a
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
