// Package process tests the operator as what it is in a cluster: a process with flags, probes,
// metrics and a Lease.
package process

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

var (
	ctx        context.Context
	plane      *controlplane.ControlPlane
	admin      client.Client
	binary     string
	kubeconfig string
)

func TestProcess(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "process")
}

var _ = BeforeSuite(func() {
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	var err error
	binary, err = gexec.Build("github.com/bulwark-dev/bulwark/cmd/manager")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(gexec.CleanupBuildArtifacts)
	c := testbed.Start(GinkgoTB(), controlplane.TypeChecked())
	ctx, plane, admin = c.Context, c.Plane, c.Admin
})

// installed installs Bulwark and makes a kubeconfig of the operator's ServiceAccount.
func installed() {
	GinkgoHelper()
	Expect(plane.Install(ctx)).To(Succeed())
	cfg, err := plane.OperatorConfig(ctx)
	Expect(err).NotTo(HaveOccurred())
	kubeconfig = filepath.Join(GinkgoT().TempDir(), "operator.kubeconfig")
	Expect(controlplane.WriteKubeconfig(kubeconfig, cfg)).To(Succeed())
}

// process is a running operator and where it serves.
type process struct {
	*gexec.Session
	health  string
	metrics string
}

// started starts an operator, and kills it when the spec ends.
func started(config string, flags ...string) *process {
	GinkgoHelper()
	p := &process{health: freeAddress(), metrics: freeAddress()}
	cmd := exec.Command(binary, append([]string{
		"--kubeconfig=" + config, "--log-format=text",
		"--health-probe-bind-address=" + p.health, "--metrics-bind-address=" + p.metrics,
	}, flags...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	p.Session = session
	DeferCleanup(func() { session.Kill().Wait() })
	return p
}

// said is what the process has printed.
func (p *process) said() *gbytes.Buffer { return p.Err }

func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer listener.Close()
	return fmt.Sprint(listener.Addr())
}
