package chart

// container is where the operator's container is in the Deployment.
const (
	deployment = "Deployment/bulwark-manager "
	pod        = deployment + "spec.template.spec."
	container  = pod + "containers[0]."
	firstFlag  = container + "args[1]: "
)

// effects are what values change. A path that is not named is as it is by default.
var effects = map[string]struct {
	values  string
	changes []string
	told    bool // whether new objects are told in full
}{
	"crds.enabled false leaves the CRDs to somebody else": {
		values: "crds: {enabled: false}",
		changes: []string{
			"- CustomResourceDefinition/namespacepostures.security.bulwark.dev",
			"- CustomResourceDefinition/securityprofiles.security.bulwark.dev",
		},
	},
	"crds.keep is an annotation, which another test reads": {values: "crds: {keep: false}"},
	"an image has a repository, a tag and a pull policy": {
		values: "image: {repository: registry.example.com/bulwark, tag: v9, pullPolicy: Always}",
		changes: []string{
			container + "image: registry.example.com/bulwark:v9",
			container + "imagePullPolicy: Always",
		},
	},
	"a digest wins over the tag": {
		values:  "image: {tag: v9, digest: 'sha256:" + digest + "'}",
		changes: []string{container + "image: bulwark@sha256:" + digest},
	},
	"imagePullSecrets are the pods'": {
		values: "imagePullSecrets: [{name: registry}]", changes: []string{pod + "imagePullSecrets[0].name: registry"},
	},
	"replicas": {values: "replicas: 3", changes: []string{deployment + "spec.replicas: 3"}},
	"no replica, to switch the operator off for a while": {
		values: "replicas: 0", changes: []string{deployment + "spec.replicas: 0"},
	},
	"--concurrency": {values: "flags: {concurrency: 64}", changes: []string{firstFlag + "--concurrency=64"}},
	"a number stays one": {
		values:  "flags: {concurrency: 12345678}",
		changes: []string{firstFlag + "--concurrency=12345678"},
	},
	"--protected-namespaces": {
		values:  "flags: {protectedNamespaces: [sandbox, 'ci-*']}",
		changes: []string{firstFlag + "--protected-namespaces=sandbox,ci-*"},
	},
	"--leader-elect": {
		values:  "{replicas: 1, flags: {leaderElect: false}}",
		changes: []string{deployment + "spec.replicas: 1", firstFlag + "--leader-elect=false"},
	},
	"--metrics-bind-address moves the port, and not the Service's": {
		values:  "flags: {metricsBindAddress: ':9443'}",
		changes: []string{firstFlag + "--metrics-bind-address=:9443", container + "ports[0].containerPort: 9443"},
	},
	"--metrics-bind-address at no port takes the Service away": {
		values: "flags: {metricsBindAddress: '0'}",
		changes: []string{
			"- Service/bulwark-metrics",
			"NetworkPolicy/bulwark-manager spec.ingress[0].ports[0].port is gone",
			"NetworkPolicy/bulwark-manager spec.ingress[0].ports[0].protocol is gone",
			firstFlag + "--metrics-bind-address=0",
			container + "ports[0].containerPort: 8081",
			container + "ports[0].name: health",
			container + "ports[1].containerPort is gone",
			container + "ports[1].name is gone",
			container + "ports[1].protocol is gone",
		},
	},
	"--health-probe-bind-address moves the port, and the probes with it": {
		values:  "flags: {healthProbeBindAddress: ':9081'}",
		changes: []string{firstFlag + "--health-probe-bind-address=:9081", container + "ports[1].containerPort: 9081"},
	},
	"--pprof-bind-address": {
		values:  "flags: {pprofBindAddress: 'localhost:6060'}",
		changes: []string{firstFlag + "--pprof-bind-address=localhost:6060"},
	},
	"--findings": {values: "flags: {findings: false}", changes: []string{firstFlag + "--findings=false"}},
	"--openreports brings its permissions": {
		values: "flags: {openreports: true}",
		changes: []string{
			"+ ClusterRole/bulwark-openreports", "+ ClusterRoleBinding/bulwark-openreports", firstFlag + "--openreports=true",
		},
	},
	"--contest-threshold": {
		values:  "flags: {contestThreshold: 5}",
		changes: []string{firstFlag + "--contest-threshold=5"},
	},
	"--contest-window": {
		values:  "flags: {contestWindow: 1h30m}",
		changes: []string{firstFlag + "--contest-window=1h30m"},
	},
	"--contest-min-delay": {
		values:  "flags: {contestMinDelay: 1.5s}",
		changes: []string{firstFlag + "--contest-min-delay=1.5s"},
	},
	"--contest-max-delay": {
		values:  "flags: {contestMaxDelay: 1m}",
		changes: []string{firstFlag + "--contest-max-delay=1m"},
	},
	"--removal-delay": {values: "flags: {removalDelay: 1m}", changes: []string{firstFlag + "--removal-delay=1m"}},
	"--join-grace":    {values: "flags: {joinGrace: 1m}", changes: []string{firstFlag + "--join-grace=1m"}},
	"--log-format":    {values: "flags: {logFormat: text}", changes: []string{firstFlag + "--log-format=text"}},
	"--log-level":     {values: "flags: {logLevel: debug}", changes: []string{firstFlag + "--log-level=debug"}},
	"profiles may grant nothing": {
		values: "grantable: {readWorkloads: false}", changes: []string{"- ClusterRole/bulwark-grantable-read-workloads"},
	},
	"profiles may grant more": {
		values: "grantable: {roles: {deployers: [{apiGroups: [apps], resources: [deployments], verbs: [patch]}]}}",
		told:   true,
		changes: []string{
			"+ ClusterRole/bulwark-grantable-deployers",
			"ClusterRole/bulwark-grantable-deployers metadata.labels.security.bulwark.dev/aggregate-to-grantable: true",
			"ClusterRole/bulwark-grantable-deployers rules[0].apiGroups[0]: apps",
			"ClusterRole/bulwark-grantable-deployers rules[0].resources[0]: deployments",
			"ClusterRole/bulwark-grantable-deployers rules[0].verbs[0]: patch",
		},
	},
	"profiles may bind more": {
		values: "grantable: {bind: [deployer]}",
		told:   true,
		changes: []string{
			"+ ClusterRole/bulwark-grantable.bind",
			"ClusterRole/bulwark-grantable.bind metadata.labels.security.bulwark.dev/aggregate-to-grantable: true",
			"ClusterRole/bulwark-grantable.bind rules[0].apiGroups[0]: rbac.authorization.k8s.io",
			"ClusterRole/bulwark-grantable.bind rules[0].resourceNames[0]: deployer",
			"ClusterRole/bulwark-grantable.bind rules[0].resources[0]: clusterroles",
			"ClusterRole/bulwark-grantable.bind rules[0].verbs[0]: bind",
		},
	},
	"resources are changed one by one, or taken away": {
		values: "resources: {requests: {cpu: 200m}, limits: {cpu: null, memory: 1Gi}}",
		changes: []string{
			container + "resources.limits.cpu is gone",
			container + "resources.limits.memory: 1Gi",
			container + "resources.requests.cpu: 200m",
		},
	},
	"pods have labels and annotations, and keep the one that they are selected by": {
		values: "{podLabels: {team: security, app.kubernetes.io/name: mine}, podAnnotations: {sidecar.istio.io/inject: 'false'}}",
		changes: []string{
			deployment + "spec.template.metadata.annotations.sidecar.istio.io/inject: false",
			deployment + "spec.template.metadata.labels.team: security",
		},
	},
	"pods go where they should": {
		values: "{nodeSelector: {a: b}, tolerations: [{key: infra, operator: Exists}], topologySpreadConstraints: [], " +
			"affinity: {nodeAffinity: {preferred: [{weight: 1}]}, podAffinity: {preferred: [{weight: 2}]}, podAntiAffinity: {preferred: [{weight: 3}]}}}",
		changes: []string{
			pod + "affinity.nodeAffinity.preferred[0].weight: 1",
			pod + "affinity.podAffinity.preferred[0].weight: 2",
			pod + "affinity.podAntiAffinity.preferred[0].weight: 3",
			pod + "nodeSelector.a: b",
			pod + "tolerations[0].key: infra",
			pod + "tolerations[0].operator: Exists",
			pod + "topologySpreadConstraints[0].labelSelector.matchLabels.app.kubernetes.io/name is gone",
			pod + "topologySpreadConstraints[0].maxSkew is gone",
			pod + "topologySpreadConstraints[0].topologyKey is gone",
			pod + "topologySpreadConstraints[0].whenUnsatisfiable is gone",
		},
	},
	"a PriorityClass that is there": {
		values:  "priorityClassName: system-cluster-critical",
		changes: []string{pod + "priorityClassName: system-cluster-critical"},
	},
	"a PriorityClass of the chart": {
		values: "priorityClass: {create: true, value: 7}",
		told:   true,
		changes: []string{
			"+ PriorityClass/bulwark",
			"PriorityClass/bulwark description: The operator Bulwark, which keeps the security baselines of namespaces in place.",
			"PriorityClass/bulwark preemptionPolicy: PreemptLowerPriority",
			"PriorityClass/bulwark value: 7",
			pod + "priorityClassName: bulwark",
		},
	},
	"a PodDisruptionBudget": {
		values: "podDisruptionBudget: {enabled: true, maxUnavailable: 50%}",
		told:   true,
		changes: []string{
			"+ PodDisruptionBudget/bulwark-manager",
			"PodDisruptionBudget/bulwark-manager spec.maxUnavailable: 50%",
			"PodDisruptionBudget/bulwark-manager spec.selector.matchLabels.app.kubernetes.io/name: bulwark",
			"PodDisruptionBudget/bulwark-manager spec.unhealthyPodEvictionPolicy: AlwaysAllow",
		},
	},
	"no NetworkPolicy": {
		values:  "networkPolicy: {enabled: false}",
		changes: []string{"- NetworkPolicy/bulwark-manager", "- NetworkPolicy/default-deny"},
	},
	"a namespace that is shared": {
		values: "networkPolicy: {defaultDeny: false}", changes: []string{"- NetworkPolicy/default-deny"},
	},
	"NetworkPolicies know who may read metrics, where DNS is and where the API server": {
		values: "networkPolicy: {metricsFrom: [{podSelector: {matchLabels: {app: prometheus}}}], dns: [{ipBlock: {cidr: 169.254.20.10/32}}], " +
			"apiServer: {cidrs: [10.0.0.1/32], ports: [8443]}}",
		changes: []string{
			"NetworkPolicy/bulwark-manager spec.egress[0].to[0].ipBlock.cidr: 169.254.20.10/32",
			"NetworkPolicy/bulwark-manager spec.egress[0].to[0].namespaceSelector.matchLabels.kubernetes.io/metadata.name is gone",
			"NetworkPolicy/bulwark-manager spec.egress[1].ports[0].port: 8443",
			"NetworkPolicy/bulwark-manager spec.egress[1].ports[1].port is gone",
			"NetworkPolicy/bulwark-manager spec.egress[1].ports[1].protocol is gone",
			"NetworkPolicy/bulwark-manager spec.egress[1].to[0].ipBlock.cidr: 10.0.0.1/32",
			"NetworkPolicy/bulwark-manager spec.ingress[0].from[0].podSelector.matchLabels.app: prometheus",
		},
	},
	"the namespace": {values: "namespace: {create: true}", changes: []string{"+ Namespace/bulwark-system"}},
	"a priority level of its own": {
		values:  "flowControl: {enabled: true}",
		changes: []string{"+ FlowSchema/bulwark", "+ PriorityLevelConfiguration/bulwark"},
	},
	"a ServiceMonitor": {
		values: "serviceMonitor: {enabled: true, interval: 1m, labels: {release: prometheus}, annotations: {a: b}}",
		told:   true,
		changes: []string{
			"+ ServiceMonitor/bulwark",
			"ServiceMonitor/bulwark metadata.annotations.a: b",
			"ServiceMonitor/bulwark metadata.labels.release: prometheus",
			"ServiceMonitor/bulwark spec.endpoints[0].bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token",
			"ServiceMonitor/bulwark spec.endpoints[0].interval: 1m",
			"ServiceMonitor/bulwark spec.endpoints[0].port: metrics",
			"ServiceMonitor/bulwark spec.endpoints[0].scheme: https",
			"ServiceMonitor/bulwark spec.endpoints[0].tlsConfig.insecureSkipVerify: true",
			"ServiceMonitor/bulwark spec.selector.matchLabels.app.kubernetes.io/name: bulwark",
		},
	},
	"alerts": {
		values:  "prometheusRule: {enabled: true, labels: {release: prometheus}, annotations: {a: b}}",
		changes: []string{"+ PrometheusRule/bulwark"},
	},
	"the dashboard": {
		values:  "dashboard: {enabled: true, labels: {a: b}, annotations: {grafana_folder: Security}}",
		changes: []string{"+ ConfigMap/bulwark-dashboard"},
	},
	"labels and annotations of all are where the next test looks": {
		values: "{commonLabels: {}, commonAnnotations: {}}",
	},
}

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
