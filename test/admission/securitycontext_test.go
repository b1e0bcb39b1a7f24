package admission

import "strings"

// inPod is a pod's security context.
func inPod(fields string) string { return "securityContext: {" + fields + "}" }

// own is a container's security context.
func own(fields string) string { return "securityContext: {" + fields + "}" }

const windows = "os: {name: windows}"

// securityContextRules are those about what a container may do.
var securityContextRules = []containerRule{{
	name: "readOnlyRootFilesystem", spec: "workloads: {readOnlyRootFilesystem: Require}", debuggable: true,
	good: own("readOnlyRootFilesystem: true"), bad: own("readOnlyRootFilesystem: false"),
	more: []testcase{
		pod(
			"no security context",
			only(""),
			"readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true",
		),
		pod("an empty security context", only(own("")), "readOnlyRootFilesystem: container app"),
		pod("on Windows it cannot be", only("", windows), ""),
		pod("on Linux, said", only("", "os: {name: linux}"), "readOnlyRootFilesystem: container app"),
		pod(
			"a null is as if it were not there",
			only(own("readOnlyRootFilesystem: null")),
			"readOnlyRootFilesystem: container app",
		),
		pod("of many containers that break it some are named", many(12),
			"readOnlyRootFilesystem: containers c-0, c-1, c-2, c-3, c-4, c-5, c-6, c-7 and others must"),
		pod(
			"of eight all are named",
			many(8),
			"readOnlyRootFilesystem: containers c-0, c-1, c-2, c-3, c-4, c-5, c-6, c-7 must",
		),
	},
}, {
	name: "runAsNonRoot", spec: "workloads: {runAsNonRoot: Require}", debuggable: true,
	good: own("runAsNonRoot: true"), bad: own("runAsNonRoot: true, runAsUser: 0"),
	more: []testcase{
		pod("the pod says it", only("", inPod("runAsNonRoot: true")), ""),
		pod(
			"the pod says it and the container says otherwise",
			only(own("runAsNonRoot: false"), inPod("runAsNonRoot: true")),
			"runAsNonRoot: container app",
		),
		pod(
			"the container says it and the pod says otherwise",
			only(own("runAsNonRoot: true"), inPod("runAsNonRoot: false")),
			"",
		),
		pod("nobody says it", only(""), "runAsNonRoot: container app"),
		pod("a user alone does not say it", only(own("runAsUser: 1000")), "runAsNonRoot: container app"),
		pod("with a user", only(own("runAsUser: 1000, runAsNonRoot: true")), ""),
		pod("the pod's user is root", only("", inPod("runAsNonRoot: true, runAsUser: 0")), "runAsNonRoot: container app"),
		pod(
			"the pod's user is root and the container's is not",
			only(own("runAsUser: 1000"), inPod("runAsNonRoot: true, runAsUser: 0")),
			"",
		),
		pod(
			"the pod's user is not root and the container's is",
			only(own("runAsUser: 0"), inPod("runAsNonRoot: true, runAsUser: 1000")),
			"runAsNonRoot: container app",
		),
		pod("on Windows it is asked", only("", windows), "runAsNonRoot: container app"),
		pod("on Windows it can be", only("", windows, inPod("runAsNonRoot: true")), ""),
		creating("the template's pod says it", "Deployment", only("", inPod("runAsNonRoot: true")), ""),
		creating(
			"the user of the template's pod is root",
			"CronJob",
			only("", inPod("runAsNonRoot: true, runAsUser: 0")),
			"runAsNonRoot: container app",
		),
	},
}, {
	name: "dropAllCapabilities", spec: "workloads: {dropAllCapabilities: Require}", debuggable: true,
	good: own("capabilities: {drop: [ALL]}"), bad: own("capabilities: {drop: [NET_RAW]}"),
	more: []testcase{
		pod("nothing is dropped", only(""), "dropAllCapabilities: container app"),
		pod("nothing is dropped, and none added", only(own("capabilities: {}")), "dropAllCapabilities: container app"),
		pod("all and more are dropped", only(own("capabilities: {drop: [NET_RAW, ALL]}")), ""),
		pod("all, in small letters", only(own("capabilities: {drop: [all]}")), "dropAllCapabilities: container app"),
		pod("NET_BIND_SERVICE is added", only(own("capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}")), ""),
		pod(
			"another is added",
			only(own("capabilities: {drop: [ALL], add: [NET_BIND_SERVICE, SYS_ADMIN]}")),
			"dropAllCapabilities: container app",
		),
		pod("all are added", only(own("capabilities: {drop: [ALL], add: [ALL]}")), "dropAllCapabilities: container app"),
		pod("on Windows there are none", only("", windows), ""),
	},
}, {
	name: "seccomp", spec: "workloads: {seccomp: [RuntimeDefault, Localhost]}", debuggable: true,
	good: own("seccompProfile: {type: RuntimeDefault}"), bad: own("seccompProfile: {type: Unconfined}"),
	more: []testcase{
		pod(
			"there is none",
			only(""),
			"seccomp: container app must set securityContext.seccompProfile.type to one of RuntimeDefault, Localhost",
		),
		pod("the pod has it", only("", inPod("seccompProfile: {type: RuntimeDefault}")), ""),
		pod(
			"the pod has it and the container has another",
			only(own("seccompProfile: {type: Unconfined}"), inPod("seccompProfile: {type: RuntimeDefault}")),
			"seccomp: container app",
		),
		pod(
			"the pod has another and the container has it",
			only(own("seccompProfile: {type: RuntimeDefault}"), inPod("seccompProfile: {type: Unconfined}")),
			"",
		),
		pod("the pod has another", only("", inPod("seccompProfile: {type: Unconfined}")), "seccomp: container app"),
		pod("a profile of the host's", only(own("seccompProfile: {type: Localhost, localhostProfile: a.json}")), ""),
		pod("on Windows there is none", only("", windows), ""),
		creating("the template's pod has it", "StatefulSet", only("", inPod("seccompProfile: {type: RuntimeDefault}")), ""),
	},
}, {
	name: "appArmor", spec: "workloads: {appArmor: [RuntimeDefault, Localhost]}", debuggable: true,
	good: own("appArmorProfile: {type: RuntimeDefault}"), bad: own("appArmorProfile: {type: Unconfined}"),
	more: []testcase{
		pod("none is RuntimeDefault", only(""), ""),
		pod("the pod has another", only("", inPod("appArmorProfile: {type: Unconfined}")), "appArmor: container app"),
		pod(
			"the pod has another and the container has it",
			only(own("appArmorProfile: {type: RuntimeDefault}"), inPod("appArmorProfile: {type: Unconfined}")),
			"",
		),
		pod("a profile of the host's", only(own("appArmorProfile: {type: Localhost, localhostProfile: mine}")), ""),
		annotated("another by annotation", "app", "unconfined", only(""), "appArmor: container app"),
		annotated(
			"another by annotation, of the init container",
			"setup",
			"unconfined",
			only("", initially("")),
			"appArmor: container setup",
		),
		annotated("it by annotation", "app", "runtime/default", only(""), ""),
		annotated("a profile of the host's by annotation", "app", "localhost/mine", only(""), ""),
		annotated(
			"an annotation and the pod's profile",
			"app",
			"unconfined",
			only("", inPod("appArmorProfile: {type: RuntimeDefault}")),
			"appArmor: container app",
		),
		annotated("an annotation that makes the container's profile what the pod's is not", "app", "runtime/default",
			only("", inPod("appArmorProfile: {type: Unconfined}")), ""),
		annotated(
			"an annotation and the container's own profile",
			"app",
			"runtime/default",
			only(own("appArmorProfile: {type: RuntimeDefault}")),
			"",
		),
	},
}, {
	name: "seLinux", spec: "workloads: {seLinux: [container_t, container_init_t]}", debuggable: true,
	good: own("seLinuxOptions: {type: container_t}"), bad: own("seLinuxOptions: {type: spc_t}"),
	more: []testcase{
		pod("none", only(""), ""),
		pod("the second", only(own("seLinuxOptions: {type: container_init_t}")), ""),
		pod("a level and no type", only(own("seLinuxOptions: {level: 's0:c1,c2'}")), ""),
		pod("an empty type", only(own("seLinuxOptions: {type: ''}")), ""),
		pod("the pod has another", only("", inPod("seLinuxOptions: {type: spc_t}")), "seLinux: container app"),
		pod(
			"the pod has another and the container has it",
			only(own("seLinuxOptions: {type: container_t}"), inPod("seLinuxOptions: {type: spc_t}")),
			"",
		),
		pod(
			"the pod has another and the container has a level",
			only(own("seLinuxOptions: {level: s0}"), inPod("seLinuxOptions: {type: spc_t}")),
			"seLinux: container app",
		),
	},
}}

// annotated is a request for a pod with the annotation that was there for AppArmor before the
// field.
func annotated(sentence, of, profile, podSpec, want string) testcase {
	return testcase{sentence: sentence, want: want, object: manifest(
		"{apiVersion: v1, kind: Pod, metadata: {name: x, annotations: {container.apparmor.security.beta.kubernetes.io/" + of + ": " + profile + "}}, spec: {" + podSpec + "}}",
	)}
}

// many is a pod spec with as many containers that set nothing.
func many(n int) string {
	var containers []string
	for i := range n {
		containers = append(containers, container("c-"+string("0123456789abcdef"[i]), ""))
	}
	return "containers: [" + strings.Join(containers, ", ") + "]"
}
