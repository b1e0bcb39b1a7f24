// Package integration tests the operator against a real control plane, as the ServiceAccount that config/rbac gives its
// permissions to.
package integration

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/controlplane"
)

var (
	ctx          context.Context
	plane        *controlplane.ControlPlane
	admin        client.Client
	operatorConf *rest.Config
	bulwark      *runningOperator
)

func TestIntegration(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "integration")
}

var _ = BeforeSuite(func() {
	logf.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	SetDefaultConsistentlyDuration(2 * time.Second)

	var cancel context.CancelFunc
	ctx, cancel = context.WithCancel(context.Background())
	DeferCleanup(cancel)

	var err error
	plane, err = controlplane.Start(ctx)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() error { return plane.Stop() })
	Expect(plane.Install(ctx)).To(Succeed())

	admin, err = client.New(plane.Config, client.Options{Scheme: operator.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	operatorConf, err = plane.OperatorConfig(ctx)
	Expect(err).NotTo(HaveOccurred())

	bulwark = startOperator()
	DeferCleanup(func() { bulwark.stop() })
})

// runningOperator is an operator in this process.
type runningOperator struct {
	cancel  context.CancelFunc
	done    chan error
	metrics *prometheus.Registry
}

func startOperator() *runningOperator { return startOperatorWith(operatorConf) }

// startOperatorWith starts an operator that reaches the API server in another way, by a proxy say, or has other options.
func startOperatorWith(cfg *rest.Config, changes ...func(*operator.Options)) *runningOperator {
	GinkgoHelper()
	running, cancel := context.WithCancel(ctx)
	o := &runningOperator{cancel: cancel, done: make(chan error, 1), metrics: prometheus.NewRegistry()}
	options := operator.Options{
		Namespace:           v1alpha1.OperatorNamespace,
		ProtectedNamespaces: []string{"protected-*"},
		Concurrency:         8,
		MetricsAddress:      "0",
		HealthAddress:       "0",
		Registry:            o.metrics,
		Logger:              logf.Log,
		SeveralInOneProcess: true,
	}
	for _, change := range changes {
		change(&options)
	}
	go func() { o.done <- operator.Run(running, cfg, options) }()
	return o
}

// restartedWith lets each spec of a container run with an operator that has other options.
func restartedWith(change func(*operator.Options)) {
	BeforeEach(func() {
		bulwark.stop()
		bulwark = startOperatorWith(operatorConf, change)
		DeferCleanup(func() {
			bulwark.stop()
			bulwark = startOperator()
		})
	})
}

// looksOften makes the operator look often at what it does not watch.
func looksOften(o *operator.Options) { o.RecheckInterval = 2 * time.Second }

func (o *runningOperator) stop() {
	GinkgoHelper()
	o.cancel()
	if err := <-o.done; err != nil && !errors.Is(err, context.Canceled) {
		Fail(fmt.Sprintf("the operator ended with an error: %v", err))
	}
}
