// Command operator is the operator as the chaos suite runs it: all of it, on a clock that jumps,
// with waits that suit a run of a minute.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/operator"
)

func main() {
	if err := run(signals.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := operator.Options{Registry: metrics.Registry, Namespace: v1alpha1.OperatorNamespace}
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig")
	offset := flag.String("clock-offset-file", "", "a file that says how far the clock is off, as a duration")
	flag.StringVar(&o.HealthAddress, "health-probe-bind-address", "0", "as of the operator")
	flag.StringVar(&o.MetricsAddress, "metrics-bind-address", "0", "as of the operator")
	flag.BoolVar(&o.LeaderElection, "leader-elect", true, "as of the operator")
	flag.IntVar(&o.Concurrency, "concurrency", 8, "as of the operator")
	_ = flag.String("log-format", "text", "as of the operator; always text")
	flag.Parse()

	o.Logger = zap.New(zap.UseDevMode(true))
	logf.SetLogger(o.Logger)
	klog.SetLogger(o.Logger.WithName("client-go"))
	jumping := &jumpingClock{file: *offset}
	go jumping.follow(ctx)
	o.Clock = jumping
	o.RecheckInterval = 5 * time.Second
	o.RemovalDelay, o.JoinGrace = 2*time.Second, 2*time.Second
	o.Contest = contention.Settings{
		Threshold: 3,
		Window:    20 * time.Second,
		MinDelay:  time.Second,
		MaxDelay:  5 * time.Second,
	}
	o.Election = operator.Election{
		LeaseDuration: 4 * time.Second,
		RenewDeadline: 3 * time.Second,
		RetryPeriod:   500 * time.Millisecond,
	}

	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return operator.Run(ctx, cfg, o)
}

// jumpingClock is the machine's clock, off by what a file says.
type jumpingClock struct {
	clock.RealClock
	file   string
	offset atomic.Int64
}

var _ clock.PassiveClock = &jumpingClock{}

// Now is the time of day, without the monotonic reading by which Go would see through a jump.
func (c *jumpingClock) Now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load())).Round(0)
}

// Since is the time that has passed by this clock.
func (c *jumpingClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *jumpingClock) follow(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if data, err := os.ReadFile(c.file); err == nil { // No file is no offset.
			if offset, err := time.ParseDuration(strings.TrimSpace(string(data))); err == nil {
				c.offset.Store(int64(offset))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
