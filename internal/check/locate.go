package check

import (
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

// offender is a container, a volume or the pod itself, and where it breaks a rule.
type offender struct {
	name string // empty for the pod
	path []any
	fix  []Change
}

// containerAt is a container and its path in a pod.
type containerAt struct {
	*corev1.Container
	path []any
}

func containersOf(spec *corev1.PodSpec) []containerAt {
	var all []containerAt
	for i := range spec.InitContainers {
		all = append(all, containerAt{&spec.InitContainers[i], []any{"spec", "initContainers", i}})
	}
	for i := range spec.Containers {
		all = append(all, containerAt{&spec.Containers[i], []any{"spec", "containers", i}})
	}
	for i := range spec.EphemeralContainers {
		c := (*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon)
		all = append(all, containerAt{c, []any{"spec", "ephemeralContainers", i}})
	}
	return all
}

// namesIn are the containers and volumes of a pod that a message of Pod Security names.
func namesIn(words string, spec *corev1.PodSpec) []string {
	var names []string
	for _, found := range inQuotes.FindAllStringSubmatch(words, -1) {
		name := found[1]
		isContainer := slices.ContainsFunc(containersOf(spec), func(c containerAt) bool { return c.Name == name })
		isVolume := slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
		if (isContainer || isVolume) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// offenders are those who break a rule: each of the named, or else the pod.
func offenders(o *object, spec *corev1.PodSpec, rule Rule, names []string) []offender {
	var all []offender
	for _, name := range names {
		if at, ok := offenderNamed(o, spec, rule, name); ok {
			all = append(all, at)
		}
	}
	if len(all) > 0 {
		return all
	}
	at := offender{path: o.within(append([]any{"spec"}, rule.pod...)...)}
	if rule.pod == nil {
		at.path = o.within("spec")
	}
	if rule.ID == podSecurityRule+"hostNamespaces" {
		at = hostNamespaces(o, spec)
	} else if rule.value != nil && rule.pod != nil {
		at.fix = []Change{{at.path, rule.value}}
	}
	return []offender{at}
}

func offenderNamed(o *object, spec *corev1.PodSpec, rule Rule, name string) (offender, bool) {
	for _, c := range containersOf(spec) {
		if c.Name != name || rule.container == nil {
			continue
		}
		at := offender{name: name, path: o.within(append(slices.Clone(c.path), fieldAt(c.Container, rule)...)...)}
		if rule.value != nil {
			at.fix = []Change{{at.path, rule.value}}
			if mustAlsoLoseWhatItAdds(c.Container, rule) {
				at.fix = nil
			}
		}
		return at, true
	}
	for i := range spec.Volumes {
		if spec.Volumes[i].Name == name {
			return offender{name: name, path: o.within("spec", "volumes", i)}, true
		}
	}
	return offender{}, false
}

// fieldAt is the path in a container of the field of a rule. Some rules are about one of several
// ports, probes or capabilities.
func fieldAt(c *corev1.Container, rule Rule) []any {
	switch rule.ID {
	case podSecurityRule + "hostPorts", admissionRule + "workloads/hostPort":
		for i := range c.Ports {
			if c.Ports[i].HostPort != 0 {
				return []any{"ports", i, "hostPort"}
			}
		}
	case podSecurityRule + "capabilities_restricted", admissionRule + "workloads/dropAllCapabilities":
		if dropsAll(c) {
			return securityContext("capabilities", "add")
		}
	case podSecurityRule + "hostProbesAndHostLifecycle":
		for field, probe := range map[string]*corev1.Probe{"livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe, "startupProbe": c.StartupProbe} {
			if probe != nil && probe.HTTPGet != nil && probe.HTTPGet.Host != "" {
				return []any{field, "httpGet", "host"}
			}
		}
	}
	return rule.container
}

// mustAlsoLoseWhatItAdds reports whether a container adds capabilities, or says who it is: taking
// that away is for somebody to decide.
func mustAlsoLoseWhatItAdds(c *corev1.Container, rule Rule) bool {
	sc := c.SecurityContext
	switch rule.ID {
	case podSecurityRule + "capabilities_restricted", admissionRule + "workloads/dropAllCapabilities":
		return sc != nil && sc.Capabilities != nil &&
			slices.ContainsFunc(sc.Capabilities.Add, func(a corev1.Capability) bool { return a != "NET_BIND_SERVICE" })
	case admissionRule + "workloads/runAsNonRoot":
		return sc != nil && sc.RunAsUser != nil && *sc.RunAsUser == 0
	}
	return false
}

func dropsAll(c *corev1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.Capabilities != nil &&
		slices.Contains(c.SecurityContext.Capabilities.Drop, "ALL")
}

// hostNamespaces is a pod in the host's namespaces, at the first of the fields that it sets.
func hostNamespaces(o *object, spec *corev1.PodSpec) offender {
	var at offender
	for _, f := range []struct {
		name string
		set  bool
	}{{"hostNetwork", spec.HostNetwork}, {"hostPID", spec.HostPID}, {"hostIPC", spec.HostIPC}} {
		if !f.set {
			continue
		}
		field := o.within("spec", f.name)
		if at.path == nil {
			at.path = field
		}
		at.fix = append(at.fix, Change{field, false})
	}
	return at
}

// ofProfile is the value of a field that the profile says.
type ofProfile string

func firstOf(field string) ofProfile { return ofProfile(field) }

// filled are changes with the values that the profile says; none if it allows no value that is
// certain.
func filled(changes []Change, profile *v1alpha1.SecurityProfile) []Change {
	var known []Change
	for _, c := range changes {
		field, hangs := c.Value.(ofProfile)
		if !hangs {
			known = append(known, c)
			continue
		}
		value := ""
		switch w, im := profile.Spec.Workloads, profile.Spec.Images; {
		case field == "seccomp" && w != nil && slices.Contains(w.Seccomp, corev1.SeccompProfileTypeRuntimeDefault):
			value = string(corev1.SeccompProfileTypeRuntimeDefault)
		case field == "appArmor" && w != nil && slices.Contains(w.AppArmor, corev1.AppArmorProfileTypeRuntimeDefault):
			value = string(corev1.AppArmorProfileTypeRuntimeDefault)
		case field == "pullPolicy" && im != nil:
			value = string(im.PullPolicy)
		}
		if value != "" {
			known = append(known, Change{c.Path, value})
		}
	}
	return known
}

// refusedResource finds the resource that words on limits name, for its field.
var refusedResource = regexp.MustCompile(`(limit|requests?) `)
