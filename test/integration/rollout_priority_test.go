package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bulwark-dev/bulwark/internal/operator"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/faultproxy"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("A roll-out that the API server keeps waiting", func() {
	It("keeps no correction waiting", func() {
		corrected, standing := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(corrected, standing)
		proxy := behindProxy(func(o *operator.Options) { o.Concurrency = 1 })
		name := UniqueName()
		profile, first, second := fixture.Profile(name, fixture.OnlyNetwork), name+"-a", name+"-b"
		ExpectCreated(fixture.Namespace(first, name), fixture.Namespace(second, name))
		held, release := holdNextWrite(proxy, "/namespaces/"+name+"-")
		ExpectCreated(profile)
		Eventually(held).Should(BeClosed())

		tampers["deletes a policy"].do(standing)
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, standing).DriftTotal).To(BeEquivalentTo(1))
			g.Expect(Differences(g, corrected, standing)).To(BeEmpty())
		}).Should(Succeed())
		Expect(Differences(Default, profile, first)).NotTo(BeEmpty())
		Expect(Differences(Default, profile, second)).NotTo(BeEmpty())

		release()
		EventuallyEstablished(profile, first)
		EventuallyEstablished(profile, second)
	})

	It("makes way for corrections", func() {
		corrected, standing := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(corrected, standing)
		proxy := behindProxy(func(o *operator.Options) { o.Concurrency = 2 })
		name := UniqueName()
		profile := fixture.Profile(name, fixture.OnlyNetwork)
		var namespaces []string
		for i := range 60 {
			namespaces = append(namespaces, fmt.Sprint(name, "-", i))
			ExpectCreated(fixture.Namespace(namespaces[i], name))
		}
		last := corrected.Name + "-last" // Made after them, so that the operator has seen them all as new ones.
		ExpectCreated(fixture.Namespace(last, corrected.Name))
		EventuallyEstablished(corrected, last)
		held, release := holdNextWrite(proxy, "/namespaces/"+name+"-")
		ExpectCreated(profile)
		Eventually(held).Should(BeClosed())
		quicken := slowWrites(proxy, "/namespaces/"+name+"-") // So that they take much longer than a correction.
		tampers["deletes a policy"].do(standing)
		Eventually(func(g Gomega) { g.Expect(ReportOn(g, standing).DriftTotal).To(BeEquivalentTo(1)) }).Should(Succeed())

		EventuallyQuiet() // Of two writes that there may be at once one is left, and that is held.
		another := corrected.Name + "-another"
		ExpectCreated(fixture.Namespace(another, corrected.Name))
		EventuallyEstablished(corrected, another) // It does not queue with the roll-out.
		unfinished := slices.DeleteFunc(slices.Clone(namespaces), func(namespace string) bool {
			return len(Differences(Default, profile, namespace)) == 0
		})
		Expect(len(unfinished)).To(BeNumerically(">", 2), "the roll-out was over before the correction")

		quicken()
		release()
		for _, namespace := range namespaces {
			EventuallyEstablished(profile, namespace)
		}
	})
})

// holdNextWrite keeps the operator waiting for the answer to its next write to a path within this
// one, until it is released.
func holdNextWrite(proxy *faultproxy.Proxy, within string) (held <-chan struct{}, release func()) {
	began, ended := make(chan struct{}), make(chan struct{})
	release = sync.OnceFunc(func() { close(ended) })
	DeferCleanup(release)
	proxy.OnNextWrite(
		func(path string) bool { return strings.Contains(path, within) },
		func() {
			close(began)
			<-ended
		},
	)
	return began, release
}

// slowWrites answers the operator's writes to a path within this one a tenth of a second later,
// until it is ended.
func slowWrites(proxy *faultproxy.Proxy, within string) (quicken func()) {
	ended := make(chan struct{})
	var arm func()
	arm = func() {
		proxy.OnNextWrite(func(path string) bool { return strings.Contains(path, within) }, func() {
			select {
			case <-ended:
			case <-time.After(100 * time.Millisecond):
				arm()
			}
		})
	}
	arm()
	quicken = sync.OnceFunc(func() { close(ended) })
	DeferCleanup(quicken)
	return quicken
}
