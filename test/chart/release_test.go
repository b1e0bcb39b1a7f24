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
	former := formerChart(t)
	for _, step := range []struct {
		sentence string
		do       func(*testing.T)
	}{
		{"a former version, whose CRD lacks a field, is installed", func(t *testing.T) {
			c.mustHelm(t, "", "install", release, former, "--create-namespace")
			if hasField(t, c.crd(t)) {
				t.Error("the former CRD has the field")
			}
		}},
		{"the permissions of the chart are enough: the operator establishes a baseline", func(t *testing.T) {
			c.mustHelm(t, "", "upgrade", release, chartPath())
			c.establishes(t)
		}},
		{"the upgrade has upgraded the CRD, too", func(t *testing.T) {
			if !hasField(t, c.crd(t)) {
				t.Error("the CRD lacks the field still")
			}
		}},
		{"with other values it is upgraded again, and nothing differs from what it rendered", func(t *testing.T) {
			c.mustHelm(t, installable, "upgrade", release, chartPath(), "-f", "-")
			c.isAsRendered(t)
		}},
		{"the same upgrade once more writes nothing", func(t *testing.T) {
			before := c.versions(t)
			c.mustHelm(t, installable, "upgrade", release, chartPath(), "-f", "-")
			for name, version := range c.versions(t) {
				if before[name] != version {
					t.Errorf("%s was written", name)
				}
			}
		}},
		{"a rollback takes back what the values changed", func(t *testing.T) {
			c.mustHelm(t, "", "rollback", release, "2")
			gvk := schema.GroupVersionKind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}
			if c.live(t, gvk, namespace, "bulwark-manager") != nil {
				t.Error("the PodDisruptionBudget is still there")
			}
		}},
		{"a second release is refused: there is one Bulwark in a cluster", func(t *testing.T) {
			_, err := helm(t, "", "install", "second", chartPath(), "--kubeconfig", c.Plane.Kubeconfig, "-n", "default")
			if err == nil || !strings.Contains(err.Error(), release) {
				t.Errorf("the second release: %v", err)
			}
		}},
		{"it is uninstalled, and the CRDs stay with the profiles", func(t *testing.T) {
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
		}},
		{"it is installed again over the CRDs that were kept", func(t *testing.T) {
			c.mustHelm(t, "crds: {keep: false}", "install", release, chartPath(), "-f", "-")
			if c.crd(t).GetAnnotations()["helm.sh/resource-policy"] != "" {
				t.Error("the CRD is to be kept still")
			}
		}},
		{"without crds.keep the CRDs go with the release", func(t *testing.T) {
			c.forget(t)
			c.mustHelm(t, "", "uninstall", release)
			gomega.NewWithT(t).Eventually(func() any { return c.crd(t) }).WithTimeout(time.Minute).Should(gomega.BeNil())
		}},
		{"what kubectl installed becomes a release with --take-ownership", func(t *testing.T) {
			out, err := c.Plane.Kubectl(c.Context, "apply", "--server-side", "-k", "config/default").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if _, err := c.helm(t, "", "install", release, chartPath()); err == nil {
				t.Error("it is taken over without a word")
			}
			c.mustHelm(t, "", "install", release, chartPath(), "--take-ownership", "--force-conflicts")
			c.isAsRendered(t)
		}},
	} {
		if !t.Run(step.sentence, step.do) {
			return
		}
	}
}

// establishes runs the operator by the permissions of the release until a namespace is ready.
func (c cluster) establishes(t *testing.T) {
	t.Helper()
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

// forget lets the profile go, whose finalizer nobody carries out any more.
func (c cluster) forget(t *testing.T) {
	t.Helper()
	profile := &v1alpha1.SecurityProfile{}
	if err := c.Admin.Get(c.Context, client.ObjectKey{Name: "kept"}, profile); err != nil {
		t.Fatal(err)
	}
	profile.Finalizers = nil
	if err := c.Admin.Update(c.Context, profile); err != nil {
		t.Fatal(err)
	}
}
