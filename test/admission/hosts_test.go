package admission

import "strings"

// volume is a hostPath volume of this name, and mounted is a mount of it.
func volume(name, path string) string {
	return "{name: " + name + ", hostPath: {path: '" + path + "'}}"
}

func volumes(v ...string) string { return "volumes: [" + strings.Join(v, ", ") + "]" }

func mounted(name, more string) string {
	return "volumeMounts: [{name: " + name + ", mountPath: /mnt" + more + "}]"
}

const readOnly = ", readOnly: true"

// podScenarios are rules that are asked of the pod.
var podScenarios = []scenario{
	{
		name: "hostpath-none", spec: "workloads: {hostPath: {policy: Forbid}}",
		cases: ofEveryKind([]testcase{
			pod("another volume", only("", "volumes: [{name: tmp, emptyDir: {}}]"), ""),
			pod("no volume", only(""), ""),
			pod(
				"a volume of the host",
				only("", volumes(volume("logs", "/var/log"))),
				"hostPath: volume logs must be no hostPath (",
			),
			pod(
				"two volumes of the host",
				only("", volumes(volume("logs", "/var/log"), volume("root", "/"))),
				"hostPath: volumes logs, root must",
			),
		}),
	},
	{
		name: "hostpath",
		spec: "workloads: {hostPath: {policy: AllowListed, allowed: [{pathPrefix: /var/log, readOnly: Require}, {pathPrefix: /data}]}}",
		held: heldPods(only(mounted("logs", readOnly), volumes(volume("logs", "/var/log")))),
		cases: append(
			ofEveryKind([]testcase{
				pod("the directory", only(mounted("logs", readOnly), volumes(volume("logs", "/var/log"))), ""),
				pod(
					"another directory",
					only("", volumes(volume("logs", "/etc"))),
					"hostPath: volume logs must be no hostPath but /var/log (readOnly), /data (",
				),
				pod(
					"mounted for writing",
					only(mounted("logs", ""), volumes(volume("logs", "/var/log"))),
					"hostPath: volume logs must",
				),
			}),
			pod("below the directory", only(mounted("logs", readOnly), volumes(volume("logs", "/var/log/pods"))), ""),
			pod(
				"a directory whose name begins alike",
				only(mounted("logs", readOnly), volumes(volume("logs", "/var/logs"))),
				"hostPath: volume logs",
			),
			pod("with a slash at its end", only(mounted("logs", readOnly), volumes(volume("logs", "/var/log/"))), ""),
			pod("the directory above", only("", volumes(volume("logs", "/var"))), "hostPath: volume logs"),
			pod("the root", only("", volumes(volume("logs", "/"))), "hostPath: volume logs"),
			pod("with two slashes", only("", volumes(volume("logs", "//var/log"))), "hostPath: volume logs"),
			pod("not mounted", only("", volumes(volume("logs", "/var/log"))), ""),
			pod(
				"another volume is mounted for writing",
				only("volumeMounts: [{name: logs, mountPath: /mnt, readOnly: true}, {name: tmp, mountPath: /tmp}]",
					"volumes: ["+volume("logs", "/var/log")+", {name: tmp, emptyDir: {}}]"),
				"",
			),
			pod(
				"mounted with readOnly: false",
				only(mounted("logs", ", readOnly: false"), volumes(volume("logs", "/var/log"))),
				"hostPath: volume logs",
			),
			pod(
				"mounted for writing by the init container",
				only(mounted("logs", readOnly), volumes(volume("logs", "/var/log")), initially(mounted("logs", ""))),
				"hostPath: volume logs",
			),
			pod("mounted for writing where that may be", only(mounted("data", ""), volumes(volume("data", "/data/x"))), ""),
			pod("dots in a name are no way up", only(mounted("data", ""), volumes(volume("data", "/data/.hidden"))), ""),
			pod(
				"one that may be and one that may not",
				only("", volumes(volume("data", "/data"), volume("etc", "/etc"))),
				"hostPath: volume etc",
			),
			testcase{
				sentence:    "mounted for writing by an ephemeral container",
				old:         "Pod running",
				change:      debugging(mounted("logs", "")),
				subresource: "ephemeralcontainers",
				want:        "hostPath: volume logs",
			},
			testcase{
				sentence:    "mounted for reading by an ephemeral container",
				old:         "Pod running",
				change:      debugging(mounted("logs", readOnly)),
				subresource: "ephemeralcontainers",
			},
		),
	},
	{
		name: "hostport-none", spec: "workloads: {hostPort: {policy: Forbid}}",
		cases: append(
			ofEveryKind([]testcase{
				pod("a port of the container", only("ports: [{containerPort: 80}]"), ""),
				pod(
					"a port of the host",
					only("ports: [{containerPort: 80, hostPort: 8080}]"),
					"hostPort: container app must take no host port (",
				),
				pod("in the host's network", only("ports: [{containerPort: 80}]", "hostNetwork: true"), "hostPort: container app"),
				pod("in the host's network without ports", only("", "hostNetwork: true"), ""),
			}),
			pod("port 0 is none", only("ports: [{containerPort: 80, hostPort: 0}]"), ""),
			pod(
				"the second port",
				only("ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}]"),
				"hostPort: container app",
			),
			pod(
				"a port of a sidecar",
				only("", initially("restartPolicy: Always, ports: [{containerPort: 80, hostPort: 80}]")),
				"hostPort: container setup",
			),
		),
	},
	{
		name: "hostport",
		spec: "workloads: {hostPort: {policy: AllowListed, allowed: [{min: 30000, max: 30010}, {min: 443, max: 443}]}}",
		cases: append(ofEveryKind([]testcase{
			pod("in a range", only("ports: [{containerPort: 80, hostPort: 30005}]"), ""),
			pod(
				"outside",
				only("ports: [{containerPort: 80, hostPort: 30011}]"),
				"hostPort: container app must take no host port but 30000-30010, 443-443 (",
			),
			pod("in the host's network, in a range", only("ports: [{containerPort: 443}]", "hostNetwork: true"), ""),
			pod(
				"in the host's network, outside",
				only("ports: [{containerPort: 80}]", "hostNetwork: true"),
				"hostPort: container app",
			),
		}),
			pod("the lowest", only("ports: [{containerPort: 80, hostPort: 30000}]"), ""),
			pod("the highest", only("ports: [{containerPort: 80, hostPort: 30010}]"), ""),
			pod("below", only("ports: [{containerPort: 80, hostPort: 29999}]"), "hostPort: container app"),
			pod("a range of one", only("ports: [{containerPort: 80, hostPort: 443}]"), ""),
		),
	},
	{
		name: "hostnetwork", spec: "workloads: {hostNetwork: Forbid}",
		cases: ofEveryKind([]testcase{
			pod("in its own network", only(""), ""),
			pod("in its own network, said", only("", "hostNetwork: false"), ""),
			pod("in the host's", only("", "hostNetwork: true"), "hostNetwork: the pod must not set hostNetwork to true ("),
		}),
	},
	{
		name: "automount",
		spec: "workloads: {automountServiceAccountToken: Forbid}",
		held: append(
			heldPods(only("", "automountServiceAccountToken: false")),
			manifest("{apiVersion: v1, kind: ServiceAccount, metadata: {name: builder}}"),
		),
		cases: append(
			ofEveryKind([]testcase{
				pod("it says not to", only("", "automountServiceAccountToken: false"), ""),
				pod(
					"it says to",
					only("", "automountServiceAccountToken: true"),
					"automountServiceAccountToken: the pod must set automountServiceAccountToken to false, or its service account must (",
				),
			}),
			pod("it says nothing, and its service account says nothing", only(""), "automountServiceAccountToken: the pod"),
			pod(
				"it says nothing, and neither does a service account of its own",
				only("", "serviceAccountName: builder"),
				"automountServiceAccountToken: the pod",
			),
			creating("a template says nothing", "Deployment", only(""), ""),
			creating("a template of a service account says nothing", "CronJob", only("", "serviceAccountName: builder"), ""),
			creating("a template asks for a token by itself at the usual place", "Deployment",
				only("volumeMounts: [{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]",
					"volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]"), ""),
			pod(
				"it asks for a token by itself",
				only("volumeMounts: [{name: token, mountPath: /token}]", "automountServiceAccountToken: false",
					"volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]"),
				"",
			),
			pod(
				"it asks for a token by itself at the usual place",
				only(
					"volumeMounts: [{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount}]",
					"automountServiceAccountToken: false",
					"volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token}}]}}]",
				),
				"",
			),
			pod(
				"its service account mounts a token, and each container has one of its own there",
				only(mountedToken("token"), ownToken("token")),
				"",
			),
			pod(
				"its service account mounts a token, and one container of two has one of its own there",
				"containers: ["+container(
					"app",
					mountedToken("token"),
				)+", "+container(
					"twin",
					"",
				)+"], "+ownToken(
					"token",
				),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"its service account mounts a token, of which only the init container has not its own",
				only(mountedToken("token"), ownToken("token"), initially("")),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"it names the volume that is mounted itself",
				only("", ownToken("kube-api-access-mine")),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"it names the volume that is mounted itself, of a secret",
				only("", "volumes: [{name: kube-api-access-mine, secret: {secretName: token}}]"),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"it names the volume that would be mounted, and says not to",
				only(mountedToken("kube-api-access-mine"), ownToken("kube-api-access-mine"),
					"automountServiceAccountToken: false"),
				"",
			),
			pod(
				"it says to, though it has a token of its own there",
				only(mountedToken("token"), ownToken("token"), "automountServiceAccountToken: true"),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"it mounts a token of its own beside, with a slash at the end",
				only("volumeMounts: [{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount/}]",
					ownToken("token")),
				"automountServiceAccountToken: the pod",
			),
			testcase{
				sentence:    "an ephemeral container of a pod without a token",
				old:         "Pod running",
				change:      debugging(""),
				subresource: "ephemeralcontainers",
			},
		),
	},
	{
		name:  "automount-rbac",
		based: true,
		spec: "rbac: {defaultServiceAccount: {}, serviceAccounts: [{name: app}, {name: watcher, automountServiceAccountToken: true}]}, " +
			"workloads: {automountServiceAccountToken: Forbid}",
		cases: []testcase{
			pod("the service account says not to", only(""), ""),
			pod(
				"the service account says not to and the pod says to",
				only("", "automountServiceAccountToken: true"),
				"automountServiceAccountToken: the pod",
			),
			pod("one of the profile's says not to", only("", "serviceAccountName: bulwark-app"), ""),
			pod("one of the profile's says not to, by the field's old name", only("", "serviceAccount: bulwark-app"), ""),
			pod(
				"one of the profile's says to",
				only("", "serviceAccountName: bulwark-watcher"),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"one of the profile's says to, by the field's old name",
				only("", "serviceAccount: bulwark-watcher"),
				"automountServiceAccountToken: the pod",
			),
			pod(
				"one of the profile's says to and the pod says not to",
				only("", "serviceAccountName: bulwark-watcher, automountServiceAccountToken: false"),
				"",
			),
			pod("the default, by name", only("", "serviceAccountName: default"), ""),
			pod("a token of its own, with the default", only(mountedToken("token"), ownToken("token")), ""),
			pod(
				"a token of its own, with one of the profile's",
				only(mountedToken("token"), ownToken("token"), "serviceAccountName: bulwark-app"),
				"",
			),
			pod(
				"a token of its own in one of two containers",
				"containers: ["+container("app", mountedToken("token"))+", "+container("twin", "")+"], "+ownToken("token"),
				"",
			),
			pod(
				"a token of its own in the init container only",
				only("", initially(mountedToken("token")), ownToken("token")),
				"",
			),
			pod(
				"a token of its own at another place",
				only("volumeMounts: [{name: token, mountPath: /token}]", ownToken("token")),
				"",
			),
			pod(
				"a token of a secret at the usual place",
				only(mountedToken("legacy"), "volumes: [{name: legacy, secret: {secretName: token}}]"),
				"",
			),
			pod(
				"nothing but its own volume at the usual place",
				only(mountedToken("tmp"), "volumes: [{name: tmp, emptyDir: {}}]"),
				"",
			),
			pod(
				"a token of its own, though the service account has one mounted",
				only(mountedToken("token"), ownToken("token"), "serviceAccountName: bulwark-watcher"),
				"",
			),
			pod(
				"a token of its own in one of two containers, though the service account has one mounted",
				"containers: ["+container(
					"app",
					mountedToken("token"),
				)+", "+container(
					"twin",
					"",
				)+"], serviceAccountName: bulwark-watcher, "+ownToken(
					"token",
				),
				"automountServiceAccountToken: the pod",
			),
		},
	},
}

// ownToken is a field of a pod spec with one volume, which projects a token of short life, and
// mountedToken a field of a container that has a volume mounted where clients look for one.
func ownToken(name string) string {
	return "volumes: [{name: " + name + ", projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 900}}]}}]"
}

func mountedToken(name string) string {
	return "volumeMounts: [{name: " + name + ", mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]"
}
