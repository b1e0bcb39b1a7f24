// Package tightening tests that internal/tightening judges pods as Kubernetes does: what the API
// server refuses, and what the quota controller counts.
package tightening

import (
	"context"
	"flag"
	"os"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

// cases is how many cases each test tries. TIGHTENING_CASES=5000 tries as many as one may want to
// see before a change is done.
func cases(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TIGHTENING_CASES")
	if text == "" {
		return 200
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// suite is a control plane without the operator.
type suite struct {
	ctx   context.Context
	admin client.Client
}

func TestAsKubernetesDoes(t *testing.T) {
	cluster := testbed.Start(t)
	ctx, admin := cluster.Context, cluster.Admin
	s := &suite{ctx: ctx, admin: admin}
	if err := admin.Create(ctx, &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: heavy}, Handler: heavy,
		Overhead: &nodev1.Overhead{PodFixed: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("120Mi"),
		}},
	}); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "10", "rapid.shrinktime": "60s"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("what pods use", s.testUsage)
	t.Run("pods that should be gone", s.testGrace)
	t.Run("pods that are made anew", s.testMadeAnew)
}

// reporter is what testing.T and rapid.T have in common.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// namespace makes a namespace in which pods may run as the ServiceAccount run.
func (s *suite) namespace(t reporter) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tightening-"}}
	s.create(t, namespace)
	s.create(t, &corev1.ServiceAccount{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "run"}, AutomountServiceAccountToken: new(false),
	})
	return namespace.Name
}

func (s *suite) create(t reporter, o client.Object) {
	t.Helper()
	if err := s.admin.Create(s.ctx, o); err != nil {
		t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}
