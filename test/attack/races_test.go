package attack

import (
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const second = time.Second

// raceAttacks want to be faster than the baseline.
func raceAttacks() []attack {
	return []attack{
		{
			name: "starts pods in the same moment as their namespace, 25 times over", as: creator, outcome: harmless,
			do: func(as client.Client) []error {
				for range 25 {
					rush(as, UniqueName(), func(name string) error { return as.Create(ctx, selected(name)) })
				}
				return []error{nil}
			},
		},
		{
			name:    "starts pods in a namespace in the moment in which it is made again under the same name, 3 times over",
			as:      creator,
			outcome: harmless,
			do: func(as client.Client) []error {
				name := UniqueName()
				Expect(as.Create(ctx, selected(name))).To(Succeed())
				EventuallyEstablished(fortress, name)
				for range 3 {
					Expect(as.Delete(ctx, namespaceOf(name))).To(Succeed())
					rush(as, name, func(name string) error {
						err := as.Create(ctx, selected(name))
						for apierrors.IsAlreadyExists(err) { // Until the old one has gone.
							err = as.Create(ctx, selected(name))
						}
						return err
					})
				}
				return []error{nil}
			},
		},
		{
			name:    "changes and deletes what is managed again and again from forty clients at once",
			as:      mallory,
			outcome: refused,
			why:     partOfBaseline,
			do: func(as client.Client) []error {
				answers := make([]error, 40)
				var all sync.WaitGroup
				for i := range answers {
					all.Go(func() {
						if i%2 == 0 {
							answers[i] = as.Delete(ctx, defaultDeny())
							return
						}
						patch := client.RawPatch(
							types.MergePatchType,
							fmt.Appendf(nil, `{"spec":{"podSelector":{"matchLabels":{"no":"pod-%d"}}}}`, i),
						)
						answers[i] = as.Patch(ctx, defaultDeny(), patch)
					})
				}
				all.Wait()
				return answers
			},
		},
	}
}

// rush makes a namespace and, at once and until one gets in, pods in it: compliant and privileged
// ones, while others try to put an open policy into the place of the baseline's, and a report that
// says that all is well. The first pod must find the baseline in place.
func rush(as client.Client, namespace string, create func(name string) error) {
	before := &corev1.Namespace{}
	err := admin.Get(ctx, client.ObjectKey{Name: namespace}, before)
	Expect(client.IgnoreNotFound(err)).To(Succeed())

	var all sync.WaitGroup
	start, done := newSignal(), newSignal()
	var failure error
	first := &corev1.Pod{}
	var once sync.Once
	until := time.Now().Add(20 * time.Second)
	again := func(attempt func()) {
		all.Go(func() {
			<-start
			for !done.given() && time.Now().Before(until) {
				attempt()
			}
		})
	}
	all.Go(func() {
		<-start
		if failure = create(namespace); failure != nil {
			done.give()
		}
	})
	for range 3 {
		again(func() {
			pod := compliantPod(namespace, "")
			pod.GenerateName = "rush-"
			if as.Create(ctx, pod) == nil {
				once.Do(func() { first = pod })
				done.give()
			}
		})
	}
	var intruders sync.Map
	intrude := func(what string, o func() client.Object) {
		again(func() {
			if as.Create(ctx, o()) == nil {
				intruders.Store(what, true)
				done.give()
			}
		})
	}
	intrude("a privileged pod", func() client.Object { return fixture.PrivilegedPod(namespace, "privileged") })
	intrude("an open policy", func() client.Object {
		return &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bulwark-default-deny"},
			Spec:       egressTo(),
		}
	})
	intrude("a report", func() client.Object { return forgedReport(namespace) })
	start.give()
	all.Wait()

	Expect(failure).NotTo(HaveOccurred())
	intruders.Range(func(what, _ any) bool {
		Fail(fmt.Sprintf("%v got into namespace %s", what, namespace))
		return true
	})
	Expect(first.Name).NotTo(BeEmpty(), "no pod ever got into namespace %s", namespace)
	now := Get(&corev1.Namespace{}, "", namespace)
	Expect(now.UID).NotTo(Equal(before.UID))
	Expect(first.CreationTimestamp.Time).NotTo(BeTemporally("<", now.CreationTimestamp.Time))
	ExpectBaselineBefore(first)
}

// signal is given once, and then holds.
type signal chan struct{}

var signals sync.Mutex

func newSignal() signal { return make(signal) }

func (s signal) give() {
	signals.Lock()
	defer signals.Unlock()
	if !s.given() {
		close(s)
	}
}

func (s signal) given() bool {
	select {
	case <-s:
		return true
	default:
		return false
	}
}
