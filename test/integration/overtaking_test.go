package integration

import (
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/faultproxy"
	"github.com/bulwark-dev/bulwark/test/fixture"
)

var _ = Describe("A roll-out that the API server keeps waiting", func() {
	It("keeps no correction waiting", func() {
		corrected, standing := Governed(fixture.OnlyNetwork)
		EventuallyEstablished(corrected, standing)

		bulwark.stop()
		proxy, err := faultproxy.Start(operatorConf, 1)
		Expect(err).NotTo(HaveOccurred())
		bulwark = startOperatorWith(proxy.Config(operatorConf), func(o *operator.Options) { o.Concurrency = 1 })
		held, release := make(chan struct{}), make(chan struct{})
		releaseOnce := sync.OnceFunc(func() { close(release) })
		DeferCleanup(func() {
			releaseOnce()
			bulwark.stop()
			proxy.Close()
			bulwark = startOperator()
		})
		name := uniqueName()
		profile, first, second := fixture.Profile(name, fixture.OnlyNetwork), name+"-a", name+"-b"
		ExpectCreated(fixture.Namespace(first, name), fixture.Namespace(second, name))
		proxy.OnNextWrite(
			func(path string) bool {
				return strings.Contains(path+"/", "/"+first+"/") || strings.Contains(path+"/", "/"+second+"/")
			},
			func() {
				close(held)
				<-release
			},
		)
		ExpectCreated(profile)
		Eventually(held).Should(BeClosed())

		tampers["deletes a policy"].do(standing)
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, standing).DriftTotal).To(BeEquivalentTo(1))
			g.Expect(Differences(g, corrected, standing)).To(BeEmpty())
		}).Should(Succeed())
		Expect(Differences(Default, profile, first)).NotTo(BeEmpty())
		Expect(Differences(Default, profile, second)).NotTo(BeEmpty())

		releaseOnce()
		EventuallyEstablished(profile, first)
		EventuallyEstablished(profile, second)
	})
})
