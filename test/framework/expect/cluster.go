// Package expect holds what specs expect of a cluster, each as a sentence: every helper is a
// GinkgoHelper, and its name begins with Expect, Eventually or Consistently where it fails a spec.
// It is written to be dot-imported. It knows the one cluster of a suite, which UseCluster names. It
// may import all of the framework, and must never start or stop a cluster.
package expect

import (
	"context"
	"fmt"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// The cluster that all expectations are about, and its administrator.
var (
	ctx   context.Context
	admin client.Client
)

// UseCluster says which cluster the expectations of this suite are about.
func UseCluster(c *testbed.Cluster) { ctx, admin = c.Context, c.Admin }

var names atomic.Int32

// UniqueName is a name that no other spec uses, for a profile and, with a suffix, its namespaces.
func UniqueName() string { return fmt.Sprintf("spec-%d", names.Add(1)) }

// Get reads an object as an administrator.
func Get[T client.Object](o T, namespace, name string) T {
	GinkgoHelper()
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)).To(Succeed())
	return o
}

// Update changes an object as an administrator would, again if somebody else was faster.
func Update[T client.Object](o T, change func(T)) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(o), o)).To(Succeed())
		change(o)
		g.Expect(admin.Update(ctx, o)).To(Succeed())
	}).Should(Succeed())
}

// RunningOperator is an operator in this process.
type RunningOperator struct{ *inprocess.Operator }

// StartOperator starts an operator that reaches the API server by a configuration.
func StartOperator(cfg *rest.Config, changes ...func(*operator.Options)) *RunningOperator {
	return &RunningOperator{Operator: inprocess.Start(ctx, cfg, changes...)}
}

// Stop stops the operator, which has to end without an error.
func (o *RunningOperator) Stop() {
	GinkgoHelper()
	Expect(o.Operator.Stop()).To(Succeed())
}
