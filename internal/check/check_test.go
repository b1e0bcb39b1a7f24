package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/manifests"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func profile(t testing.TB, name, spec string) v1alpha1.SecurityProfile {
	t.Helper()
	var p v1alpha1.SecurityProfile
	p.Name = name
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatal(err)
	}
	return p
}

// given are sources of documents, one of each.
func given(documents []*manifests.Document) []*manifests.Source {
	var sources []*manifests.Source
	for _, d := range documents {
		sources = append(sources, manifests.Given(d))
	}
	return sources
}

func documents(t testing.TB, text string) []*manifests.Document {
	t.Helper()
	var all []*manifests.Document
	for d, problem := range manifests.Read("a.yaml", strings.NewReader(text)) {
		if problem != nil {
			t.Fatal(problem)
		}
		all = append(all, d)
	}
	return all
}

// input is what is checked: manifests by profiles that select everything, if they do not say
// otherwise.
func input(t testing.TB, text string, profiles ...v1alpha1.SecurityProfile) Input {
	t.Helper()
	return Input{
		Profiles: profiles, Manifests: given(documents(t, text)), Namespace: "shop", Now: noon,
		User: &user.DefaultInfo{Name: "dana", Groups: []string{"system:authenticated"}},
	}
}

// said is a report as lines.
func lines(report *Report) []string {
	var all []string
	for _, r := range report.Results {
		place := r.Document.Positions().Of(r.Path...)
		who := r.Object.String()
		if r.Container != "" {
			who += " " + r.Container
		}
		if r.OfPods {
			who += " (pods)"
		}
		all = append(all, fmt.Sprintf("%d:%d %s %s %s: %s", place.Line, place.Column, r.Action, r.Rule, who, r.Message))
	}
	return all
}

const web = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: nginx
`

// asked are the fields of a container that keeps the level restricted.
const kept = `{allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}`

func TestRun(t *testing.T) {
	restricted := `{namespaceSelector: {}, podSecurity: {enforce: restricted, warn: restricted, version: v1.37}}`
	for sentence, tt := range map[string]struct {
		spec, text string
		want       []string
	}{
		"pods of a Deployment violate Pod Security": {restricted, web, []string{
			`10:9 Deny pod-security/allowPrivilegeEscalation Deployment shop/web app (pods): violates PodSecurity "restricted:v1.37": ` +
				`allowPrivilegeEscalation != false (container "app" must set securityContext.allowPrivilegeEscalation=false)`,
			`10:9 Deny pod-security/capabilities_restricted Deployment shop/web app (pods): violates PodSecurity "restricted:v1.37": ` +
				`unrestricted capabilities (container "app" must set securityContext.capabilities.drop=["ALL"])`,
			`10:9 Deny pod-security/runAsNonRoot Deployment shop/web app (pods): violates PodSecurity "restricted:v1.37": ` +
				`runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)`,
			`10:9 Deny pod-security/seccompProfile_restricted Deployment shop/web app (pods): violates PodSecurity "restricted:v1.37": ` +
				`seccompProfile (pod or container "app" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")`,
		}},
		"a level that only warns": {`{namespaceSelector: {}, podSecurity: {warn: baseline, version: v1.37}}`,
			web + "        securityContext: {privileged: true}\n", []string{
				`12:27 Warn pod-security/privileged Deployment shop/web app: violates PodSecurity "baseline:v1.37": privileged (container "app" must not set securityContext.privileged=true)`,
			}},
		"a pod that keeps everything": {restricted,
			"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - {name: app, image: nginx, securityContext: " + kept + "}\n", nil},
		"a profile that only audits warns": {`{enforcement: Audit, namespaceSelector: {}, images: {denyTags: [latest]}}`, web, []string{
			`11:9 Warn admission/images/denyTags Deployment shop/web app: denyTags: container app must not have an image with the tag latest (spec.images of SecurityProfile p)`,
		}},
		"rules of the profile, each by itself": {`{namespaceSelector: {}, images: {denyTags: [latest], digest: Require}, workloads: {hostNetwork: Forbid, readOnlyRootFilesystem: Require}}`,
			web + "      - {name: side, image: a:1}\n      hostNetwork: true\n", []string{
				`10:9 Deny admission/workloads/readOnlyRootFilesystem Deployment shop/web app: readOnlyRootFilesystem: container app must set securityContext.readOnlyRootFilesystem to true (spec.workloads of SecurityProfile p)`,
				`12:9 Deny admission/workloads/readOnlyRootFilesystem Deployment shop/web side: readOnlyRootFilesystem: container side must set securityContext.readOnlyRootFilesystem to true (spec.workloads of SecurityProfile p)`,
				`13:7 Deny admission/workloads/hostNetwork Deployment shop/web: hostNetwork: the pod must not set hostNetwork to true (spec.workloads of SecurityProfile p)`,
				`11:9 Deny admission/images/digest Deployment shop/web app: digest: container app must name the image by its digest (spec.images of SecurityProfile p)`,
				`12:22 Deny admission/images/digest Deployment shop/web side: digest: container side must name the image by its digest (spec.images of SecurityProfile p)`,
				`11:9 Deny admission/images/denyTags Deployment shop/web app: denyTags: container app must not have an image with the tag latest (spec.images of SecurityProfile p)`,
			}},
		"a token that only the pod has": {`{namespaceSelector: {}, workloads: {automountServiceAccountToken: Forbid}}`, web, []string{
			`8:5 Deny admission/workloads/automountServiceAccountToken Deployment shop/web (pods): automountServiceAccountToken: the pod must set automountServiceAccountToken to false, or its service account must (spec.workloads of SecurityProfile p)`,
		}},
		"requests above a limit that is given": {`{namespaceSelector: {}, limits: [{type: Container, default: {cpu: 1}, max: {cpu: 2}}]}`,
			web + "        resources: {requests: {cpu: 3}}\n", []string{
				`12:32 Deny limits/bounds Deployment shop/web app/cpu (pods): container app requests 3 of cpu, which is at most 2`,
				`12:32 Deny api/resources Deployment shop/web app/cpu (pods): container app requests 3 of cpu, which is more than the limit of 1 that it would have`,
			}},
		"requests above a limit of the manifest": {`{namespaceSelector: {}, podSecurity: {enforce: privileged}}`,
			web + "        resources: {requests: {cpu: 3}, limits: {cpu: 1}}\n", []string{
				`12:32 Deny api/resources Deployment shop/web app/cpu: container app requests 3 of cpu, which is more than the limit of 1 that it would have`,
			}},
		"a Service": {`{namespaceSelector: {}, workloads: {allowedServiceTypes: [ClusterIP]}}`, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  type: NodePort\n", []string{
			`5:3 Deny admission/workloads/allowedServiceTypes Service shop/s: allowedServiceTypes: the type of a Service must be one of ClusterIP (spec.workloads of SecurityProfile p)`,
		}},
		"what a NetworkPolicy opens": {`{namespaceSelector: {}, network: {defaultDeny: [Ingress]}}`,
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open}\nspec:\n  podSelector: {}\n  ingress: [{}]\n", []string{
				`6:13 Warn finding/NetworkReopened NetworkPolicy shop/open: defaultDeny closes Ingress, and this opens it for all pods from: every peer at all ports`,
			}},
		"each direction that a NetworkPolicy opens, where it opens it": {`{namespaceSelector: {}, network: {defaultDeny: [Ingress, Egress], tenantPolicies: Within}}`,
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open}\nspec:\n  podSelector: {}\n  policyTypes: [Ingress, Egress]\n" +
				"  ingress:\n  - from: [{podSelector: {}}]\n  - {}\n  egress:\n  - to: [{podSelector: {}}]\n  - ports: [{port: 53}]\n", []string{
				`9:5 Deny admission/tenant-network-policies NetworkPolicy shop/open: the NetworkPolicy opens Ingress from every peer, every namespace or a sixteenth of all addresses, which the profile closes: name the peers by namespace and pod labels or by narrow address blocks (spec.network.tenantPolicies of SecurityProfile p)`,
				`12:5 Deny admission/tenant-network-policies NetworkPolicy shop/open: the NetworkPolicy opens Egress to every peer, every namespace or a sixteenth of all addresses, which the profile closes: name the peers by namespace and pod labels or by narrow address blocks (spec.network.tenantPolicies of SecurityProfile p)`,
				`9:5 Warn finding/NetworkReopened NetworkPolicy shop/open: defaultDeny closes Ingress, and this opens it for all pods from: every peer at all ports`,
				`12:5 Warn finding/NetworkReopened NetworkPolicy shop/open: defaultDeny closes Egress, and this opens it for all pods to: every peer at TCP 53`,
			}},
		"address blocks that open a direction together": {`{namespaceSelector: {}, network: {defaultDeny: [Egress]}}`,
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open}\nspec:\n  podSelector: {}\n  ingress: [{}]\n  egress:\n" +
				"  - to: [{ipBlock: {cidr: 16.0.0.0/5}}]\n  - to: [{ipBlock: {cidr: 24.0.0.0/5}}]\n", []string{
				`7:3 Warn finding/NetworkReopened NetworkPolicy shop/open: defaultDeny closes Egress, and this opens it for all pods to: 16.0.0.0/5, 24.0.0.0/5 at all ports`,
			}},
		"what a binding gives": {`{namespaceSelector: {}, podSecurity: {enforce: privileged}}`,
			"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: all}\nsubjects:\n- {kind: User, name: eve, apiGroup: rbac.authorization.k8s.io}\n" +
				"roleRef: {kind: ClusterRole, name: cluster-admin, apiGroup: rbac.authorization.k8s.io}\n", []string{
				`6:30 Warn finding/PrivilegedBinding RoleBinding shop/all: ClusterRole cluster-admin (cluster-admin) is given to eve, and not by the profile`,
			}},
		"what is Bulwark's": {`{namespaceSelector: {}, podSecurity: {enforce: privileged}, protection: {tamper: Forbid}}`,
			"apiVersion: v1\nkind: LimitRange\nmetadata: {name: bulwark-limits}\nspec: {limits: []}\n", []string{
				`3:1 Deny admission/tamper-objects LimitRange shop/bulwark-limits: names that begin with bulwark- are reserved for the namespace's baseline (spec.protection.tamper of SecurityProfile p)`,
			}},
		"what cannot be read": {restricted, strings.Replace(web, "image: nginx", "image: {}", 1), []string{
			`9:7 Deny api/decoding Deployment shop/web: Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal object into Go struct field Container.spec.template.spec.containers.image of type string`,
		}},
		"a field that there is not": {`{namespaceSelector: {}, podSecurity: {enforce: privileged}}`, web + "        securitycontext: {}\n", []string{
			`12:9 Deny api/unknown-field Deployment shop/web: unknown field "spec.template.spec.containers[0].securitycontext"`,
		}},
		"the gate stands open where the baseline is in place": {`{namespaceSelector: {}, podSecurity: {enforce: privileged}, protection: {readyGate: Require}}`, web, nil},
		"ports in the host's network are the host's": {`{namespaceSelector: {}, podSecurity: {enforce: baseline, version: v1.37}}`,
			"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  hostNetwork: true\n  containers: [{name: a, image: a, ports: [{containerPort: 80}]}]\n", []string{
				`5:3 Deny pod-security/hostNamespaces Pod shop/web: violates PodSecurity "baseline:v1.37": host namespaces (hostNetwork=true)`,
				`6:44 Deny pod-security/hostPorts Pod shop/web a: violates PodSecurity "baseline:v1.37": hostPort (container "a" uses hostPort 80)`,
			}},
	} {
		t.Run(sentence, func(t *testing.T) {
			report, err := Run(context.Background(), input(t, tt.text, profile(t, "p", tt.spec)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(report)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnswersAreTheAPIServers(t *testing.T) {
	report, err := Run(context.Background(), input(
		t,
		web,
		profile(
			t,
			"p",
			`{namespaceSelector: {}, images: {denyTags: [latest]}, podSecurity: {enforce: baseline}, limits: [{type: Container, max: {cpu: 1}, min: {memory: 1}}]}`,
		),
	))
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, r := range report.Results {
		answers = append(answers, r.Answer)
	}
	want := []string{
		`deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'bulwark-p-images' with binding 'bulwark-p-images' denied request: ` +
			`denyTags: container app must not have an image with the tag latest (spec.images of SecurityProfile p)`,
	}
	if diff := cmp.Diff(want, answers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnUpdateIsJudgedByWhatItChanges(t *testing.T) {
	in := input(t, web, profile(t, "p", `{namespaceSelector: {}, images: {denyTags: [latest]}}`))
	in.Old = documents(t, web)
	report, err := Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	// The update changes nothing, and the next pod is made anew all the same.
	if len(report.Results) != 1 || !report.Results[0].OfPods {
		t.Errorf("got %v", lines(report))
	}
}

func TestWhoGoverns(t *testing.T) {
	prod := profile(t, "prod", `{namespaceSelector: {matchLabels: {tier: prod}}, images: {denyTags: [latest]}}`)
	rest := profile(t, "rest", `{namespaceSelector: {}, excludeNamespaces: [sandbox], podSecurity: {enforce: privileged}}`)
	namespace := func(name string, labels map[string]string) corev1.Namespace {
		return corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	for sentence, tt := range map[string]struct {
		profiles   []v1alpha1.SecurityProfile
		namespaces []corev1.Namespace
		text       string
		denied     int
		governed   map[string]string
		ungoverned int
		problem    string
	}{
		"no profile":                    {text: web, problem: "no SecurityProfile is given"},
		"one governs what is not known": {profiles: []v1alpha1.SecurityProfile{prod}, text: web, denied: 1, governed: map[string]string{"shop": "prod"}},
		"one does not govern what is excluded": {profiles: []v1alpha1.SecurityProfile{rest}, text: strings.Replace(web, "name: web}", "name: web, namespace: sandbox}", 1),
			governed: map[string]string{}, ungoverned: 1},
		"nor what is Kubernetes' own": {profiles: []v1alpha1.SecurityProfile{prod}, text: strings.Replace(web, "name: web}", "name: web, namespace: kube-system}", 1),
			governed: map[string]string{}, ungoverned: 1},
		"nor what it does not select": {profiles: []v1alpha1.SecurityProfile{prod}, namespaces: []corev1.Namespace{namespace("shop", nil)}, text: web,
			governed: map[string]string{}, ungoverned: 1},
		"of several, labels decide": {profiles: []v1alpha1.SecurityProfile{rest, prod}, namespaces: []corev1.Namespace{namespace("shop", map[string]string{"tier": "prod"})}, text: web,
			denied: 1, governed: map[string]string{"shop": "prod"}},
		"also those of a manifest": {profiles: []v1alpha1.SecurityProfile{rest, prod}, text: web + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: test}}\n",
			governed: map[string]string{"shop": "rest"}},
		"of several, none is guessed": {profiles: []v1alpha1.SecurityProfile{rest, prod}, text: web,
			problem: "the labels of namespace shop are not known, and so not which of 2 profiles governs it: give its manifest"},
		"two of one name": {profiles: []v1alpha1.SecurityProfile{rest, rest}, text: web, problem: "there are two SecurityProfiles named rest"},
		"one that cannot be carried out": {profiles: []v1alpha1.SecurityProfile{profile(t, "p", `{namespaceSelector: {matchLabels: {"a b": c}}, podSecurity: {enforce: baseline}}`)},
			text: web, problem: "SecurityProfile p: spec.namespaceSelector"},
	} {
		t.Run(sentence, func(t *testing.T) {
			in := input(t, tt.text, tt.profiles...)
			in.Namespaces = tt.namespaces
			report, err := Run(context.Background(), in)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("want %q, got %v", tt.problem, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.governed, report.Governed); diff != "" {
				t.Error(diff)
			}
			if len(report.Results) != tt.denied || len(report.Ungoverned) != tt.ungoverned {
				t.Errorf("%v ungoverned, and %v", report.Ungoverned, lines(report))
			}
		})
	}
}

func TestWhatFits(t *testing.T) {
	const quota = `{namespaceSelector: {}, quotas: [{name: compute, spec: {hard: {requests.cpu: 4, pods: 8, services.loadbalancers: 0,
		services.nodeports: 1, requests.storage: 1Gi, count/configmaps: 0}}}]}`
	with := func(replicas, resources string) string {
		return strings.Replace(
			web,
			"spec:\n  selector",
			"spec:\n  replicas: "+replicas+"\n  selector",
			1,
		) + "        resources: " + resources + "\n"
	}
	for sentence, tt := range map[string]struct {
		text string
		want []string
	}{
		"what does not say what it needs": {web, []string{
			`10:9 Deny quota/unspecified Deployment shop/web app (pods): failed quota: bulwark-compute: must specify requests.cpu for: app`}},
		"what fits": {with("3", "{requests: {cpu: 1}}"), nil},
		"what fits until it is rolled out": {with("4", "{requests: {cpu: 1}}"), []string{
			`5:3 Warn quota/peak Deployment shop/web bulwark-compute/requests.cpu (pods): all that is applied to namespace shop needs up to 5 of requests.cpu together, ` +
				`while it is rolled out or scaled, and ResourceQuota bulwark-compute grants 4`}},
		"what does not fit": {with("5", "{requests: {cpu: 1}}"), []string{
			`5:3 Deny quota/fits Deployment shop/web bulwark-compute/requests.cpu (pods): all that is applied to namespace shop needs 5 of requests.cpu together, ` +
				`and ResourceQuota bulwark-compute grants 4`}},
		"what is scaled beyond": {with("1", "{requests: {cpu: 100m}}") + "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n" +
			"spec: {maxReplicas: 20, scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}}\n", []string{
			`5:3 Warn quota/peak Deployment shop/web bulwark-compute/pods (pods): all that is applied to namespace shop needs up to 25 of pods together, ` +
				`while it is rolled out or scaled, and ResourceQuota bulwark-compute grants 8`}},
		"what there is to be none of": {"apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: LoadBalancer}\n", []string{
			`4:8 Deny quota/fits Service shop/s bulwark-compute/services.loadbalancers: all that is applied to namespace shop needs 1 of services.loadbalancers together, ` +
				`and ResourceQuota bulwark-compute grants 0`}},
		"ports of nodes": {"apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports: [{port: 80}, {port: 81}]\n  type: NodePort\n", []string{
			`6:3 Deny quota/fits Service shop/s bulwark-compute/services.nodeports: all that is applied to namespace shop needs 2 of services.nodeports together, ` +
				`and ResourceQuota bulwark-compute grants 1`}},
		"a claim for storage": {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 2Gi\n", []string{
			`8:7 Deny quota/fits PersistentVolumeClaim shop/c bulwark-compute/requests.storage: all that is applied to namespace shop needs 2Gi of requests.storage together, ` +
				`and ResourceQuota bulwark-compute grants 1Gi`}},
		"objects of which there is to be none": {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", []string{
			`2:1 Deny quota/fits ConfigMap shop/c bulwark-compute/count/configmaps: all that is applied to namespace shop needs 1 of count/configmaps together, ` +
				`and ResourceQuota bulwark-compute grants 0`}},
		"a pod by itself": {"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: a, image: a, resources: {requests: {cpu: 5}}}]\n", []string{
			`4:1 Deny quota/fits Pod shop/p bulwark-compute/requests.cpu: all that is applied to namespace shop needs 5 of requests.cpu together, ` +
				`and ResourceQuota bulwark-compute grants 4`}},
		"what an autoscaler of the first version scales beyond": {with("1", "{requests: {cpu: 100m}}") + "---\napiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n" +
			"spec: {maxReplicas: 20, scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}}\n", []string{
			`5:3 Warn quota/peak Deployment shop/web bulwark-compute/pods (pods): all that is applied to namespace shop needs up to 25 of pods together, ` +
				`while it is rolled out or scaled, and ResourceQuota bulwark-compute grants 8`}},
		"a Job's pods, and what they have before": {
			"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {parallelism: 9, completions: 2, template: {spec: {restartPolicy: Never, initContainers: [{name: i, image: i, " +
				"resources: {requests: {cpu: 3}}}], containers: [{name: a, image: a, resources: {requests: {cpu: 1}}}]}}}\n", []string{
				`4:8 Deny quota/fits Job shop/j bulwark-compute/requests.cpu (pods): all that is applied to namespace shop needs 6 of requests.cpu together, ` +
					`and ResourceQuota bulwark-compute grants 4`}},
	} {
		t.Run(sentence, func(t *testing.T) {
			report, err := Run(context.Background(), input(t, tt.text, profile(t, "p", quota)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(report)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// manifest is an object of a kind without any field.
func manifest(version, kind, name string) string {
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s}\n", version, kind, name)
}

// An object counts as evaluated if a rule was really held against it: else a check that judges
// nothing looked like one that finds nothing.
func TestWhatCountsAsEvaluated(t *testing.T) {
	for sentence, tt := range map[string]struct {
		text             string
		evaluated        int
		ungoverned       []string
		unruled, skipped map[string]int
		problem          string
	}{
		"what is governed":             {text: web, evaluated: 1},
		"a Namespace that is governed": {text: manifest("v1", "Namespace", "shop"), evaluated: 1},
		"a Namespace that is not":      {text: manifest("v1", "Namespace", "sandbox"), ungoverned: []string{"Namespace sandbox"}},
		"what is in none that is": {text: strings.Replace(web, "name: web}", "name: web, namespace: sandbox}", 1),
			ungoverned: []string{"Deployment sandbox/web"}},
		"what no rule is about": {text: manifest("v1", "ConfigMap", "c") + manifest("policy/v1", "PodDisruptionBudget", "b") + manifest("storage.k8s.io/v1", "StorageClass", "s"),
			unruled: map[string]int{"ConfigMap (v1)": 1, "PodDisruptionBudget (policy/v1)": 1, "StorageClass (storage.k8s.io/v1)": 1}},
		"Kubernetes' own extensions of its API": {text: manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", "c") + manifest("apiregistration.k8s.io/v1", "APIService", "a"),
			unruled: map[string]int{"CustomResourceDefinition (apiextensions.k8s.io/v1)": 1, "APIService (apiregistration.k8s.io/v1)": 1}},
		"a field that there is not, of a kind that no rule is about": {text: manifest("policy/v1", "PodDisruptionBudget", "b") + "specs: {}\n", evaluated: 1},
		"kinds of other groups": {text: manifest("example.com/v1", "Widget", "w") + manifest("gateway.networking.k8s.io/v1", "Gateway", "g"),
			skipped: map[string]int{"Widget (example.com/v1)": 1, "Gateway (gateway.networking.k8s.io/v1)": 1}},
		"a kind that there is not":            {text: manifest("apps/v1", "Deplyment", "d"), problem: `a.yaml:3:1: no matches for kind "Deplyment" in version "apps/v1"`},
		"a version that there is no more":     {text: manifest("apps/v1beta1", "Deployment", "d"), problem: `a.yaml:2:1: no matches for kind "Deployment" in version "apps/v1beta1": it is in apps/v1`},
		"a group that there is no more":       {text: manifest("extensions/v1beta1", "Ingress", "i"), problem: `no matches for kind "Ingress" in version "extensions/v1beta1": it is in networking.k8s.io/v1`},
		"a kind of another group":             {text: manifest("v1", "Deployment", "d"), problem: `no matches for kind "Deployment" in version "v1": it is in apps/v1`},
		"a version that there never was":      {text: manifest("batch/v7", "Job", "j"), problem: `no matches for kind "Job" in version "batch/v7": it is in batch/v1`},
		"a kind of Bulwark's that is none":    {text: manifest("security.bulwark.dev/v1alpha1", "SecurityProfil", "p"), problem: `no matches for kind "SecurityProfil"`},
		"a version that cannot be one":        {text: manifest("a/b/c", "Job", "j"), problem: `a.yaml:2:1: unexpected GroupVersion string: a/b/c`},
		"a kind that there is not, in a List": {text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: Deplyment\n", problem: `a.yaml:5:3: no matches for kind "Deplyment"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			report, err := Run(context.Background(), input(t, tt.text,
				profile(t, "p", `{namespaceSelector: {}, excludeNamespaces: [sandbox], podSecurity: {enforce: privileged}}`)))
			if said := fmt.Sprint(err); tt.problem == "" && err != nil || !strings.Contains(said, tt.problem) {
				t.Fatalf("want %q, got %v", tt.problem, err)
			}
			var ungoverned []string
			for _, o := range report.Ungoverned {
				ungoverned = append(ungoverned, o.String())
			}
			want := []any{tt.evaluated, tt.ungoverned, tt.unruled, tt.skipped}
			got := []any{report.Evaluated, ungoverned, report.Unruled, report.Skipped}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An object that is there already is held to the same.
func TestAKindThatThereIsNotIsAnErrorOfWhatThereIsAlready(t *testing.T) {
	in := input(t, web, profile(t, "p", `{namespaceSelector: {}, podSecurity: {enforce: privileged}}`))
	in.Old = documents(t, manifest("apps/v1", "Deplyment", "d"))
	if _, err := Run(context.Background(), in); err == nil || !strings.Contains(err.Error(), "no matches for kind") {
		t.Errorf("it is %v", err)
	}
}

// Which kinds are in no namespace is written down in the comments of Kubernetes' API only.
func TestEveryKindInNoNamespaceIsKnown(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "*", "*", "types.go"))
	if err != nil {
		t.Fatal(err)
	}
	nonNamespaced := regexp.MustCompile(`(?m)^// \+genclient:nonNamespaced\n(?:\n|//.*\n)*type (\w+) struct`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range nonNamespaced.FindAllStringSubmatch(string(text), -1) {
			found++
			if !clusterScoped[kind[1]] {
				t.Errorf("%s of %s is taken to be in a namespace", kind[1], file)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d kinds are found", found)
	}
}

// The name of the pods that a controller makes stands in each answer on them, and nothing in its
// place.
func TestAnswersOnPodsNameThem(t *testing.T) {
	report, err := Run(context.Background(), input(t, web+"        resources: {requests: {cpu: 3}}\n", profile(
		t,
		"p",
		`{namespaceSelector: {}, podSecurity: {enforce: restricted}, limits: [{type: Container, default: {cpu: 1}, max: {cpu: 2}}],
			workloads: {automountServiceAccountToken: Forbid}, quotas: [{name: memory, spec: {hard: {requests.memory: 1Gi}}}]}`,
	)))
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]bool{}
	for _, r := range report.Results {
		if strings.Contains(r.Answer, "x00") || strings.Contains(r.Answer, "\x00") {
			t.Errorf("%s: %q", r.Rule, r.Answer)
		}
		if r.OfPods && r.Answer != "" {
			families[strings.Split(r.Rule, "/")[0]] = true
			if !strings.Contains(r.Answer, `"web-"`) {
				t.Errorf("%s names no pod: %q", r.Rule, r.Answer)
			}
		}
	}
	if len(families) < 4 {
		t.Errorf("only answers of %v", families)
	}
}

func TestFingerprints(t *testing.T) {
	p := profile(t, "p", `{namespaceSelector: {}, images: {denyTags: [latest]}, podSecurity: {enforce: restricted}}`)
	prints := func(text string) map[string]int {
		report, err := Run(context.Background(), input(t, text, p))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]int{}
		for _, r := range report.Results {
			all[r.Fingerprint()]++
		}
		return all
	}
	before := prints(web + "      - {name: side, image: b}\n")
	after := prints(
		"# moved\n---\n" + strings.Replace(web, "      - name: app", "      - {name: side, image: b}\n      - name: app", 1),
	)
	if diff := cmp.Diff(before, after); diff != "" || len(before) != 10 {
		t.Errorf("%d: %s", len(before), diff)
	}
}

// Else a baseline that knows one opening of a NetworkPolicy hid another that is added later.
func TestEachWeaknessOfAnObjectHasAFingerprint(t *testing.T) {
	p := profile(t, "p", `{namespaceSelector: {}, network: {defaultDeny: [Ingress, Egress], tenantPolicies: Within}}`)
	const open = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: open, namespace: shop}\n" +
		"spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}\n"
	report, err := Run(context.Background(), input(t, open, p))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, r := range report.Results {
		if other, known := said[r.Fingerprint()]; known {
			t.Errorf("%q and %q have one fingerprint", other, r.Message)
		}
		said[r.Fingerprint()] = r.Message
	}
	if len(said) < 2 {
		t.Errorf("only %d results: %v", len(said), said)
	}
}

// The catalogue knows each rule that the samples have manifests break.
func TestEveryRuleIsInTheCatalogue(t *testing.T) {
	data, err := os.ReadFile("../../config/samples/restricted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p v1alpha1.SecurityProfile
	if err := yaml.UnmarshalStrict(data, &p); err != nil {
		t.Fatal(err)
	}
	report, err := Run(context.Background(), input(t, web, p))
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) < 12 {
		t.Errorf("only %v", lines(report))
	}
	for _, r := range report.Results {
		if _, known := rulesByID[r.Rule]; !known {
			t.Errorf("%s is in no catalogue", r.Rule)
		}
	}
	for _, rule := range Rules() {
		if rule.Title == "" ||
			rule.Help == "" && !strings.HasPrefix(rule.ID, findingRule) && !strings.Contains(rule.ID, "pods-wait") {
			t.Errorf("%s has no words", rule.ID)
		}
	}
}
