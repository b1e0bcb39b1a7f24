// Package static holds admission by manifest (config/static-admission) against an API server that
// is started with it: whom it refuses, whom it lets pass, and how it is lifted.
package static

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// The groups that the manifests name.
const (
	breakGlassGroup = "bulwark:break-glass"
	authorsGroup    = "bulwark:profile-authors"
	masters         = "system:masters"
)

var (
	ctx   context.Context
	bed   *testbed.Cluster
	plane *controlplane.ControlPlane
	// manifests is the file that the API server reads, and shipped what it holds.
	manifests string
	shipped   []byte

	// admin is a member of system:masters, whom nothing but manifests holds. rescuer and author are
	// as mighty, and in a group that passes.
	admin, rescuer, author client.Client
	adminConf, rescuerConf *rest.Config
	rescuerKubeconfig      string
	operatorConf           *rest.Config
	bulwark                *inprocess.Operator
	fortress               *v1alpha1.SecurityProfile
)

func TestStatic(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "static")
}

var _ = BeforeSuite(func() {
	logf.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	SetDefaultEventuallyTimeout(30 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(200 * time.Millisecond)
	var err error
	shipped, err = kustomize("config/static-admission")
	Expect(err).NotTo(HaveOccurred())
	folder := GinkgoT().TempDir()
	manifests = filepath.Join(folder, "bulwark.yaml")
	Expect(os.WriteFile(manifests, shipped, 0o600)).To(Succeed())
	bed = testbed.Start(GinkgoTB(), controlplane.WithStaticPolicies(folder))
	ctx, plane, admin = bed.Context, bed.Plane, bed.Admin
	UseCluster(bed)

	adminConf = plane.Config
	rescuerConf = user("rescuer", masters, breakGlassGroup)
	rescuer = clientOf(rescuerConf)
	author = clientOf(user("author", masters, authorsGroup))
	rescuerKubeconfig = filepath.Join(GinkgoT().TempDir(), "rescuer.kubeconfig")
	Expect(controlplane.WriteKubeconfig(rescuerKubeconfig, rescuerConf)).To(Succeed())

	Expect(kubectl(rescuerKubeconfig, "apply", "--server-side", "-k", "config/default")).To(Succeed())
	Expect(
		kubectl(plane.Kubeconfig, "wait", "--for=condition=Established", "crd", "-l", "!nothing", "--timeout=60s"),
	).To(Succeed())
	operatorConf, err = plane.ServiceAccountConfigBy(ctx, rescuerConf, v1alpha1.OperatorNamespace, "bulwark-manager")
	Expect(err).NotTo(HaveOccurred())
	startOperator()
	DeferCleanup(func() { stopOperator() })

	fortress = fixture.Profile("fortress", guarded)
	Expect(author.Create(ctx, fortress)).To(Succeed())
	Expect(admin.Create(ctx, fixture.Namespace("shop", "fortress"))).To(Succeed())
	EventuallyInForce(fortress)
})

// guarded makes the profile one with admission policies.
func guarded(profile *v1alpha1.SecurityProfile) {
	profile.Spec.Protection = &v1alpha1.Protection{Tamper: v1alpha1.ProhibitionForbid}
}

func startOperator() { bulwark = inprocess.Start(ctx, operatorConf) }

func stopOperator() {
	GinkgoHelper()
	if bulwark != nil {
		Expect(bulwark.Stop()).To(Succeed())
	}
	bulwark = nil
}

// user is somebody with a certificate who is a member of the groups.
func user(name string, groups ...string) *rest.Config {
	GinkgoHelper()
	cfg, err := plane.UserConfig(name, groups...)
	Expect(err).NotTo(HaveOccurred())
	cfg.WarningHandler = rest.NoWarnings{}
	return cfg
}

func clientOf(cfg *rest.Config) client.Client {
	GinkgoHelper()
	return bed.ClientOf(GinkgoTB(), cfg)
}

// kubectl runs kubectl with a kubeconfig.
func kubectl(kubeconfig string, args ...string) error {
	cmd := plane.Kubectl(ctx, args...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+kubeconfig)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &kubectlError{string(out), err}
	}
	return nil
}

// kubectlError is that kubectl failed, with what it said.
type kubectlError struct {
	said string
	err  error
}

func (e *kubectlError) Error() string { return e.err.Error() + ": " + e.said }
func (e *kubectlError) Unwrap() error { return e.err }

// kustomize is what a folder of config comes to.
func kustomize(path string) ([]byte, error) {
	cmd := exec.Command(filepath.Join(controlplane.Assets(), "kubectl"), "kustomize", path)
	cmd.Dir = controlplane.Root()
	return cmd.Output()
}
