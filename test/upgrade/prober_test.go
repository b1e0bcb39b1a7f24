package upgrade

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// interval is how often each request is sent.
const interval = 80 * time.Millisecond

// probe is a request that is sent again and again, as a dry run, to one namespace after the other.
type probe struct {
	name    string
	tier    string
	refused bool // what must become of it
	send    func(ctx context.Context, c client.Client, namespace string) error

	mu       sync.Mutex
	results  map[string]*result // of a step
	wrong    time.Time          // since when the answers are wrong; zero while they are right
	wrongFor time.Duration      // the longest time of wrong answers
}

// result is what became of a probe in a step.
type result struct {
	sent, wrong, failed int
	words               string // the first wrong answer
}

func probes() []*probe {
	restricted := func(name string, send func(context.Context, client.Client, string) error) *probe {
		return &probe{name: name, tier: "prod", refused: true, send: send}
	}
	return []*probe{
		restricted("a privileged pod", pod(func(p *corev1.Pod) { *p = *fixture.PrivilegedPod(p.Namespace, p.Name) })),
		restricted("a pod with a writable root", pod(func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem = nil
		})),
		restricted("a pod of an unknown registry", pod(func(p *corev1.Pod) {
			p.Spec.Containers[0].Image = strings.Replace(p.Spec.Containers[0].Image, "example.com", "example.org", 1)
		})),
		restricted("deleting the default-deny", func(ctx context.Context, c client.Client, namespace string) error {
			return c.Delete(ctx, policy(namespace, "bulwark-default-deny"), client.DryRunAll)
		}),
		restricted("a NetworkPolicy that opens all", func(ctx context.Context, c client.Client, namespace string) error {
			open := policy(namespace, "open")
			open.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			open.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
			return c.Create(ctx, open, client.DryRunAll)
		}),
		restricted("lowering the Pod Security level", func(ctx context.Context, c client.Client, namespace string) error {
			ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			lower := client.RawPatch(types.MergePatchType,
				[]byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`))
			return c.Patch(ctx, ns, lower, client.DryRunAll)
		}),
		{name: "a pod that keeps all rules", tier: "prod", send: pod(func(*corev1.Pod) {})},
		{name: "a pod without a digest", tier: "digests", refused: true, send: pod(func(p *corev1.Pod) {
			p.Spec.Containers[0].Image = "registry.example.com/app:v1"
		})},
		{name: "a pod with a digest", tier: "digests", send: pod(func(*corev1.Pod) {})},
		{name: "a privileged pod", tier: "plain", refused: true, send: pod(func(p *corev1.Pod) {
			*p = *fixture.PrivilegedPod(p.Namespace, p.Name)
		})},
		{name: "a pod that keeps all rules", tier: "plain", send: pod(func(*corev1.Pod) {})},
	}
}

// pod creates a pod that keeps all rules but for the change.
func pod(change func(*corev1.Pod)) func(context.Context, client.Client, string) error {
	return func(ctx context.Context, c client.Client, namespace string) error {
		p := fixture.HardenedPod(namespace, "probe")
		p.Spec.AutomountServiceAccountToken = new(false)
		change(p)
		return c.Create(ctx, p, client.DryRunAll)
	}
}

func policy(namespace, name string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// run sends the probe to one namespace after the other until the context ends.
func (p *probe) run(ctx context.Context, c client.Client, namespaces []string, step func() string) {
	p.results = map[string]*result{}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		during, sent := step(), time.Now()
		if err := p.send(ctx, c, namespaces[i%len(namespaces)]); ctx.Err() == nil {
			p.note(during, sent, err)
		}
	}
}

func (p *probe) note(step string, sent time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.results[step]
	if r == nil {
		r = &result{}
		p.results[step] = r
	}
	r.sent++
	refused := apierrors.IsForbidden(err) || apierrors.IsInvalid(err)
	switch {
	case err != nil && !refused:
		r.failed++
		return
	case refused == p.refused:
		if !p.wrong.IsZero() {
			p.wrongFor = max(p.wrongFor, time.Since(p.wrong))
		}
		p.wrong = time.Time{}
		return
	}
	r.wrong++
	if r.words == "" {
		r.words = "admitted"
		if refused {
			r.words = err.Error()
		}
	}
	if p.wrong.IsZero() {
		p.wrong = sent
	}
}

// longest is the longest time in which the answers were wrong, the present one too.
func (p *probe) longest() time.Duration {
	if p.wrong.IsZero() {
		return p.wrongFor
	}
	return max(p.wrongFor, time.Since(p.wrong))
}

func (p *probe) String() string {
	must := "admitted"
	if p.refused {
		must = "refused"
	}
	return fmt.Sprintf("%s (%s): %s", p.name, p.tier, must)
}
