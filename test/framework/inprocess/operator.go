// Package inprocess runs the operator in the process of a suite, with shorter waits than by
// default. It knows the operator's options. It may import the operator, and must never know what a
// suite expects.
package inprocess

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
)

// Operator is an operator in this process.
type Operator struct {
	// Metrics are its metrics.
	Metrics *prometheus.Registry

	cancel context.CancelFunc
	done   chan error
}

// Start starts an operator that reaches the API server by a configuration. The changes are made to
// its options.
func Start(ctx context.Context, cfg *rest.Config, changes ...func(*operator.Options)) *Operator {
	running, cancel := context.WithCancel(ctx)
	o := &Operator{Metrics: prometheus.NewRegistry(), cancel: cancel, done: make(chan error, 1)}
	options := operator.Options{
		Namespace:           v1alpha1.OperatorNamespace,
		Concurrency:         8,
		MetricsAddress:      "0",
		HealthAddress:       "0",
		Registry:            o.Metrics,
		Logger:              logf.Log,
		SeveralInOneProcess: true,
		// Specs that are not about these need not wait for them.
		RemovalDelay:   300 * time.Millisecond,
		StatusInterval: 100 * time.Millisecond,
	}
	for _, change := range changes {
		change(&options)
	}
	go func() {
		defer close(o.done)
		o.done <- operator.Run(running, cfg, options)
	}()
	return o
}

// Stop stops it, and is the error that it ended with; nil if it is stopped already.
func (o *Operator) Stop() error {
	o.cancel()
	if err := <-o.done; !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
