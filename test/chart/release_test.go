package chart

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// installable is everything that a cluster without the Prometheus Operator can hold.
const installable = `
replicas: 3
flags: {openreports: true, logLevel: debug}
flowControl: {enabled: true}
dashboard: {enabled: true}
podDisruptionBudget: {enabled: true}
priorityClass: {create: true}
grantable: {roles: {deployers: [{apiGroups: [apps], resources: [deployments], verbs: [patch]}]}, bind: [deployer]}
networkPolicy: {metricsFrom: [{podSelector: {matchLabels: {app: prometheus}}}], apiServer: {cidrs: [10.0.0.1/32]}}
commonLabels: {team: security}
`

// TestTheLifeOfARelease is one story on one API server, step by step.
func TestTheLifeOfARelease(t *testing.T) {
	if _, err := helm(t, "", "version"); err != nil {
		t.Fatal(err)
	}
	c := cluster{testbed.Start(t)}
	for _, step := range []struct {
		sentence string
		do       func(cluster, *testing.T)
	}{
		{"a former version, whose CRD lacks a field, is installed", cluster.installsTheFormer},
		{"it is upgraded, and the CRD with it", cluster.upgrades},
		{"the permissions of the chart are enough: the operator establishes a baseline", cluster.establishes},
		{"with other values it is upgraded again, and nothing differs from what it rendered", cluster.changesValues},
		{"the same upgrade once more writes nothing", cluster.upgradesToTheSame},
		{"a rollback takes back what the values changed", cluster.rollsBack},
		{"a second release is refused: there is one Bulwark in a cluster", cluster.refusesASecond},
		{"it is uninstalled, and the CRDs stay with the profiles", cluster.uninstalls},
		{"it is installed again over the CRDs that were kept", cluster.takesTheCRDsAgain},
		{"without crds.keep the CRDs go with the release", cluster.uninstallsEverything},
		{"what kubectl installed becomes a release with --take-ownership", cluster.takesOver},
		{"what kubectl set as well is changed by --force-conflicts, and then without", cluster.takesFieldsBack},
	} {
		if !t.Run(step.sentence, func(t *testing.T) { step.do(c, t) }) {
			return
		}
	}
}

func (c cluster) installsTheFormer(t *testing.T) {
	c.mustHelm(t, "", "install", release, formerChart(t), "--create-namespace")
	if hasField(t, c.crd(t)) {
		t.Error("the former CRD has the field")
	}
}

func (c cluster) upgrades(t *testing.T) {
	c.mustHelm(t, "", "upgrade", release, chartPath())
	if !hasField(t, c.crd(t)) {
		t.Error("the CRD lacks the field still")
	}
}

// establishes runs the operator by the permissions of the release until a namespace is ready.
func (c cluster) establishes(t *testing.T) {
	running := inprocess.Start(c.Context, c.OperatorConfig(t), func(o *operator.Options) { o.LeaderElection = true })
	defer func() {
		if err := running.Stop(); err != nil {
			t.Error(err)
		}
	}()
	profile := fixture.Profile("kept")
	for _, o := range []client.Object{fixture.Namespace("governed", "kept"), profile} {
		if err := c.Admin.Create(c.Context, o); err != nil {
			t.Fatal(err)
		}
	}
	gomega.NewWithT(t).Eventually(func(g gomega.Gomega) {
		g.Expect(c.Admin.Get(c.Context, client.ObjectKeyFromObject(profile), profile)).To(gomega.Succeed())
		conditions := profile.Status.Conditions
		g.Expect(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady)).To(gomega.BeTrue(), "%+v", conditions)
	}).WithTimeout(time.Minute).Should(gomega.Succeed())
}

func (c cluster) changesValues(t *testing.T) {
	c.mustHelm(t, installable, "upgrade", release, chartPath(), "-f", "-")
	c.isAsRendered(t)
}

func (c cluster) upgradesToTheSame(t *testing.T) {
	before := c.versions(t)
	c.mustHelm(t, installable, "upgrade", release, chartPath(), "-f", "-")
	for name, version := range c.versions(t) {
		if before[name] != version {
			t.Errorf("%s was written", name)
		}
	}
}

func (c cluster) rollsBack(t *testing.T) {
	c.mustHelm(t, "", "rollback", release, "2")
	gvk := schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}
	if c.live(t, gvk, namespace, "bulwark-manager") != nil {
		t.Error("the PodDisruptionBudget is still there")
	}
}

func (c cluster) refusesASecond(t *testing.T) {
	_, err := helm(t, "", "install", "second", chartPath(), "--kubeconfig", c.Plane.Kubeconfig, "-n", "default")
	if err == nil || !strings.Contains(err.Error(), "cannot be imported into the current release") {
		t.Errorf("the second release: %v", err)
	}
}

func (c cluster) uninstalls(t *testing.T) {
	out := c.mustHelm(t, "", "uninstall", release)
	if !strings.Contains(out, profilesCRD) {
		t.Errorf("Helm does not say that it keeps the CRD: %s", out)
	}
	if c.crd(t) == nil {
		t.Fatal("the CRD is gone")
	}
	if err := c.Admin.Get(c.Context, client.ObjectKey{Name: "kept"}, &v1alpha1.SecurityProfile{}); err != nil {
		t.Errorf("the profile: %v", err)
	}
}

func (c cluster) takesTheCRDsAgain(t *testing.T) {
	c.mustHelm(t, "crds: {keep: false}", "install", release, chartPath(), "-f", "-")
	if c.crd(t).GetAnnotations()["helm.sh/resource-policy"] != "" {
		t.Error("the CRD is to be kept still")
	}
}

// uninstallsEverything lets the profile go first: nobody carries out its finalizer any more.
func (c cluster) uninstallsEverything(t *testing.T) {
	profile := &v1alpha1.SecurityProfile{}
	if err := c.Admin.Get(c.Context, client.ObjectKey{Name: "kept"}, profile); err != nil {
		t.Fatal(err)
	}
	profile.Finalizers = nil
	if err := c.Admin.Update(c.Context, profile); err != nil {
		t.Fatal(err)
	}
	c.mustHelm(t, "", "uninstall", release)
	gomega.NewWithT(t).Eventually(func() any { return c.crd(t) }).WithTimeout(time.Minute).Should(gomega.BeNil())
}

func (c cluster) takesOver(t *testing.T) {
	out, err := c.Plane.Kubectl(c.Context, "apply", "--server-side", "-k", "config/default").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := c.helm(t, "", "install", release, chartPath()); err == nil {
		t.Error("it is taken over without a word")
	}
	c.mustHelm(t, "", "install", release, chartPath(), "--take-ownership")
	c.isAsRendered(t)
}

func (c cluster) takesFieldsBack(t *testing.T) {
	_, err := c.helm(t, "", "upgrade", release, chartPath(), "--set", "replicas=3")
	if err == nil || !strings.Contains(err.Error(), `conflict with "kubectl": .spec.replicas`) {
		t.Errorf("the upgrade: %v", err)
	}
	c.mustHelm(t, "", "upgrade", release, chartPath(), "--set", "replicas=3", "--force-conflicts")
	c.mustHelm(t, "", "upgrade", release, chartPath(), "--set", "replicas=4")
	c.isAsRendered(t)
}
