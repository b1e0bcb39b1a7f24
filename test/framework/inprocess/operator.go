// Package inprocess runs the operator in the process of a suite, with shorter waits than by
// default. It knows the operator's options. It may import the operator, and must never know what a
// suite expects.
package inprocess

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/running"
)

// Operator is an operator in this process.
type Operator struct {
	*running.Task
	// Metrics are its metrics.
	Metrics *prometheus.Registry
}

// Start starts an operator that reaches the API server by a configuration. The changes are made to
// its options.
func Start(ctx context.Context, cfg *rest.Config, changes ...func(*operator.Options)) *Operator {
	o := &Operator{Metrics: prometheus.NewRegistry()}
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
	o.Task = running.Start(ctx, func(ctx context.Context) error { return operator.Run(ctx, cfg, options) })
	return o
}
