// Package integration tests the operator against a real control plane, as the ServiceAccount that
// config/rbac gives its permissions to.
package integration

import (
	"context"
	"runtime/debug"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/faultproxy"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

var (
	ctx          context.Context
	bed          *testbed.Cluster
	plane        *controlplane.ControlPlane
	admin        client.Client
	operatorConf *rest.Config
	bulwark      *RunningOperator
)

func TestIntegration(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "integration")
}

// eventuallyTimeout is how long a spec waits for what must come.
const eventuallyTimeout = 20 * time.Second

var _ = BeforeSuite(func() {
	debug.SetGCPercent(400) // Several processes share the processor, and memory they have.
	logf.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	SetDefaultEventuallyTimeout(eventuallyTimeout)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	SetDefaultConsistentlyDuration(2 * time.Second)
	SetDefaultConsistentlyPollingInterval(200 * time.Millisecond)

	bed = testbed.Installed(GinkgoTB())
	UseCluster(bed)
	ctx, plane, admin = bed.Context, bed.Plane, bed.Admin
	operatorConf = bed.OperatorConfig(GinkgoTB())

	bulwark = startOperator()
	DeferCleanup(func() { bulwark.Stop() })
})

// thatWaitsLong is for specs that wait for half a minute and more: they begin before the others, so
// that no process waits for one of them alone in the end.
const thatWaitsLong = SpecPriority(3)

// Labels of specs that need an operator with other options than most. Those of one label run one
// after the other, with one operator.
const (
	looksOftenLabel = "operator looks often"
	looksTwiceLabel = "operator looks twice"
)

var (
	thatLooksOften = []any{Label(looksOftenLabel), SpecPriority(2)}
	thatLooksTwice = []any{Label(looksTwiceLabel), SpecPriority(1)}

	optionsByLabel = map[string]func(*operator.Options){looksOftenLabel: looksOften, looksTwiceLabel: looksTwice}
)

// kept is the operator that was started for a label; nil where a spec has put another in its place.
var kept struct {
	label    string
	operator *RunningOperator
}

var _ = BeforeEach(func() {
	label := ""
	for _, l := range CurrentSpecReport().Labels() {
		if optionsByLabel[l] != nil {
			label = l
		}
	}
	if bulwark == kept.operator && label == kept.label {
		return
	}
	bulwark.Stop()
	if label == "" {
		bulwark = startOperator()
		return
	}
	bulwark = startOperatorWith(operatorConf, optionsByLabel[label])
	kept.label, kept.operator = label, bulwark
})

// startOperator starts the operator that most specs need.
func startOperator() *RunningOperator {
	started := startOperatorWith(operatorConf)
	kept.label, kept.operator = "", started
	return started
}

// startOperatorWith starts an operator that reaches the API server in another way, by a proxy say,
// or has other options.
func startOperatorWith(cfg *rest.Config, changes ...func(*operator.Options)) *RunningOperator {
	protects := func(o *operator.Options) { o.ProtectedNamespaces = []string{"protected-*"} }
	return StartOperator(cfg, append([]func(*operator.Options){protects}, changes...)...)
}

// behindProxy has the operator reach the API server by a proxy until the spec ends.
func behindProxy(changes ...func(*operator.Options)) *faultproxy.Proxy {
	GinkgoHelper()
	bulwark.Stop()
	proxy, err := faultproxy.Start(operatorConf, 1)
	Expect(err).NotTo(HaveOccurred())
	bulwark = startOperatorWith(proxy.Config(operatorConf), changes...)
	DeferCleanup(func() {
		bulwark.Stop()
		proxy.Close()
		bulwark = startOperator()
	})
	return proxy
}

// restartedWith lets each spec of a container run with an operator that has other options.
func restartedWith(change func(*operator.Options)) {
	BeforeEach(func() {
		bulwark.Stop()
		bulwark = startOperatorWith(operatorConf, change)
		DeferCleanup(func() {
			bulwark.Stop()
			bulwark = startOperator()
		})
	})
}

// looksOften makes the operator look often at what it does not watch.
func looksOften(o *operator.Options) { o.RecheckInterval = 2 * time.Second }
