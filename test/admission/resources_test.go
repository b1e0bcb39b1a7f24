package admission

// asked are a container's resources.
func asked(fields string) string { return "resources: {" + fields + "}" }

const (
	probes    = "livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}"
	liveness  = "livenessProbe: {tcpSocket: {port: 80}}"
	readiness = "readinessProbe: {tcpSocket: {port: 80}}"
)

// resourceRules are those about what a container asks for.
var resourceRules = []containerRule{
	{
		name: "requireRequestsMemory", spec: "workloads: {requireRequests: [cpu, memory]}",
		good: asked("requests: {cpu: 10m, memory: 1Mi}"), bad: asked("requests: {cpu: 10m}"),
		more: []testcase{
			pod(
				"no requests",
				only(""),
				"requireRequestsCPU: container app must set resources.requests[cpu], or the pod must; requireRequestsMemory: container app must",
			),
			pod("a limit counts", only(asked("limits: {cpu: 10m, memory: 1Mi}")), ""),
			creating(
				"a limit counts in a template, where it is not defaulted",
				"Deployment",
				only(asked("limits: {cpu: 10m, memory: 1Mi}")),
				"",
			),
			pod(
				"a limit counts for its resource only",
				only(asked("limits: {cpu: 10m}")),
				"requireRequestsMemory: container app",
			),
			pod("requests of the whole pod count", only("", asked("requests: {cpu: 10m, memory: 1Mi}")), ""),
			pod(
				"requests of the whole pod count for their resource only",
				only("", asked("requests: {cpu: 10m}")),
				"requireRequestsMemory: container app",
			),
			pod("limits of the whole pod count", only("", asked("limits: {cpu: 10m, memory: 1Mi}")), ""),
			creating(
				"requests of the whole pod count in a template",
				"StatefulSet",
				only("", asked("requests: {cpu: 10m, memory: 1Mi}")),
				"",
			),
			pod(
				"a request of nothing is none",
				only(asked("requests: {cpu: 0, memory: 1Mi}")),
				"requireRequestsCPU: container app",
			),
			pod(
				"nor is one beside a limit",
				only(asked("requests: {cpu: 0, memory: 1Mi}, limits: {cpu: 10m}")),
				"requireRequestsCPU: container app",
			),
			{
				sentence:    "an ephemeral container can have none",
				old:         "Pod running",
				change:      debugging(""),
				subresource: "ephemeralcontainers",
			},
			pod("on Windows too", only("", windows), "requireRequestsCPU: container app"),
		},
	},
	{
		name: "requireLimitsEphemeralStorage",
		spec: "workloads: {requireLimits: [memory, ephemeral-storage]}",
		good: asked(
			"limits: {memory: 1Mi, ephemeral-storage: 1Mi}",
		),
		bad: asked("limits: {memory: 1Mi}, requests: {ephemeral-storage: 1Mi}"),
		more: []testcase{
			pod(
				"no limits",
				only(""),
				"requireLimitsMemory: container app must set resources.limits[memory], or the pod must; requireLimitsEphemeralStorage: container app",
			),
			pod(
				"a limit of nothing is none, as the kubelet has it",
				only(asked("limits: {memory: 0, ephemeral-storage: 1Mi}")),
				"requireLimitsMemory: container app",
			),
			creating(
				"nor is it in a template",
				"Deployment",
				only(asked("limits: {memory: '0', ephemeral-storage: 1Mi}")),
				"requireLimitsMemory: container app",
			),
			pod(
				"a request does not count",
				only(asked("requests: {memory: 1Mi, ephemeral-storage: 1Mi}")),
				"requireLimitsMemory: container app",
			),
			pod(
				"limits of the whole pod count",
				only(asked("limits: {ephemeral-storage: 1Mi}"), asked("limits: {memory: 1Mi}")),
				"",
			),
			pod(
				"requests of the whole pod do not",
				only(asked("limits: {ephemeral-storage: 1Mi}"), asked("requests: {memory: 1Mi}")),
				"requireLimitsMemory: container app",
			),
			{
				sentence:    "an ephemeral container can have none",
				old:         "Pod running",
				change:      debugging(""),
				subresource: "ephemeralcontainers",
			},
		},
	},
}

// resourceScenarios are those in which the profile's LimitRange has a part, or the kind of what is
// created.
var resourceScenarios = []scenario{{
	name: "limitrange", based: true, held: heldPods(only("")),
	spec: "limits: [{type: Container, default: {cpu: 100m}, max: {memory: 1Gi}, min: {ephemeral-storage: 1Mi}}], " +
		"workloads: {requireRequests: [cpu, memory, ephemeral-storage], requireLimits: [cpu, memory, ephemeral-storage]}",
	cases: []testcase{
		// Requests have a default from the limits' and from min, limits only from default and max.
		pod(
			"the pod gets what has a default",
			only(""),
			"requireLimitsEphemeralStorage: container app must set resources.limits[ephemeral-storage], or the pod must (spec.workloads",
		),
		creating(
			"a template is not asked for what has a default",
			"Deployment",
			only(""),
			"requireLimitsEphemeralStorage: container app must set resources.limits[ephemeral-storage], or the pod must (spec.workloads",
		),
		pod("the pod has what has no default", only(asked("limits: {ephemeral-storage: 1Mi}")), ""),
		creating("the template has what has no default", "Job", only(asked("limits: {ephemeral-storage: 1Mi}")), ""),
		pod(
			"an init container gets what has a default",
			only(asked("limits: {ephemeral-storage: 1Mi}"), initially("")),
			"requireLimitsEphemeralStorage: container setup must",
		),
		pod("a request and no limit", only(asked("requests: {cpu: 50m}, limits: {ephemeral-storage: 1Mi}")), ""),
		pod(
			"limits of the whole pod",
			only("", asked("limits: {cpu: 100m, memory: 1Gi}")),
			"requireLimitsEphemeralStorage: container app",
		),
		// It was there before the LimitRange was.
		{sentence: "a pod that has got nothing is changed", old: "Pod running", change: first("image", "app:v2")},
		creating(
			"a CronJob's template",
			"CronJob",
			only("", initially("")),
			"requireLimitsEphemeralStorage: containers app, setup",
		),
	},
}, {
	name: "probes", spec: "workloads: {requireProbes: [Liveness, Readiness]}",
	held: heldPods(only(probes)),
	cases: append(
		append(ofEveryKind([]testcase{ // A sidecar is restarted always, also that of a Job.
			pod("a sidecar without", only(probes, initially("restartPolicy: Always")), "requireProbesLiveness: container setup"),
			pod(
				"a sidecar with one",
				only(probes, initially("restartPolicy: Always, "+liveness)),
				"requireProbesReadiness: container setup",
			),
		}), ofEveryKind([]testcase{
			pod("both", only(probes), ""),
			pod(
				"neither",
				only(""),
				"requireProbesLiveness: container app must have a livenessProbe; requireProbesReadiness: container app must",
			),
			pod("liveness only", only(liveness), "requireProbesReadiness: container app must have a readinessProbe"),
			pod("readiness only", only(readiness), "requireProbesLiveness: container app"),
			pod("a sidecar with both", only(probes, initially("restartPolicy: Always, "+probes)), ""),
			pod("an init container runs to its end", only(probes, initially("")), ""),
		}, "Job", "CronJob")...),
		pod("a pod that is never restarted", only("", "restartPolicy: Never"), ""),
		pod("a pod that is restarted on failure", only("", "restartPolicy: OnFailure"), ""),
		pod(
			"a pod that is restarted always, said",
			only("", "restartPolicy: Always"),
			"requireProbesLiveness: container app",
		),
		creating("a Job that is restarted on failure", "Job", only("", "restartPolicy: OnFailure"), ""),
		testcase{
			sentence:    "an ephemeral container can have none",
			old:         "Pod running",
			change:      debugging(""),
			subresource: "ephemeralcontainers",
		},
	),
}, restartScenario, {
	name: "startup", spec: "workloads: {requireProbes: [Startup]}",
	cases: ofEveryKind([]testcase{
		pod("without", only(probes), "requireProbesStartup: container app must have a startupProbe"),
		pod("with", only("startupProbe: {exec: {command: ['true']}}"), ""),
	}, "Job", "CronJob"),
}}
