package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess/boundedcache"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// largestAnswer is how large the largest answer is that a client reads, watches left out.
type largestAnswer struct{ bytes atomic.Int64 }

func (l *largestAnswer) wrap(next http.RoundTripper) http.RoundTripper { return measured{next, l} }

type measured struct {
	http.RoundTripper
	largest *largestAnswer
}

func (m measured) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := m.RoundTripper.RoundTrip(request)
	if err == nil && request.URL.Query().Get("watch") == "" {
		response.Body = &measuredBody{ReadCloser: response.Body, largest: m.largest}
	}
	return response, err
}

type measuredBody struct {
	io.ReadCloser
	largest *largestAnswer
	read    int64
}

func (b *measuredBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	b.read += int64(n)
	for largest := b.largest.bytes.Load(); b.read > largest; largest = b.largest.bytes.Load() {
		b.largest.bytes.CompareAndSwap(largest, b.read)
	}
	return n, err
}

var _ = Describe("Memory for what tenants make large behind what is small", func() {
	var largest *largestAnswer
	BeforeEach(func() {
		bulwark.Stop()
		largest = &largestAnswer{}
		config := rest.CopyConfig(operatorConf)
		config.Wrap(largest.wrap)
		bulwark = startOperatorWith(config, looksOften)
		DeferCleanup(func() {
			bulwark.Stop()
			bulwark = startOperator()
		})
	})
	ExpectBounded := func() {
		GinkgoHelper()
		Expect(largest.bytes.Load()).To(BeNumerically("<", 16<<20), "of some 40 MiB that there are")
	}

	It("does not grow with pods: they are read in pages as large as fit", func() {
		profile, namespace := Governed(
			func(p *v1alpha1.SecurityProfile) { p.Spec.Limits, p.Spec.Quotas = nil, nil },
			atBaseline,
		)
		EventuallyEstablished(profile, namespace)
		EventuallyAdmitted(loosePod(namespace, "a-0"))
		for i := range clusteraccess.FirstPage {
			ExpectCreated(loosePod(namespace, fmt.Sprint("a-", i+1)))
		}
		for i := range 40 {
			pod := loosePod(namespace, fmt.Sprint("z-", i))
			pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "LARGE", Value: strings.Repeat("x", 1<<20)}}
			ExpectCreated(pod)
		}
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.PodSecurity.Enforce = "restricted" })
		Eventually(func(g Gomega) {
			g.Expect(ReportOn(g, namespace).FindingTotals).To(ContainElement(And(
				HaveField(
					"ID",
					v1alpha1.FindingIDPodSecurityViolated,
				),
				HaveField("Count", BeEquivalentTo(51)),
			)), "all of them are seen")
		}).WithTimeout(time.Minute).Should(Succeed())
		ExpectBounded()
	})

	It("does not grow with the metadata of what bears Bulwark's label", func() {
		profile, namespace := Governed(fixture.OnlyNetwork, fixture.Audited)
		flood(namespace, profile.Name, boundedcache.MaxUndesired+20)
		large := hostiles["a Role with many labels, annotations, finalizers and owners"]
		for i := range 120 {
			role := large(namespace, fmt.Sprint("large-", i), theirLabels(profile.Name))
			role.SetFinalizers(nil)
			ExpectCreated(role)
		}
		Update(profile, func(p *v1alpha1.SecurityProfile) { p.Spec.Enforcement = v1alpha1.EnforcementEnforce })
		Eventually(func() int { return labelledRoles(namespace) }).WithTimeout(time.Minute).Should(BeZero())
		ExpectBounded()
	})

	It("does not grow with LimitRanges where a stricter one waits until it is safe", func() {
		profile, namespace := Governed(whenSafe)
		EventuallyEstablished(profile, namespace)
		for i := range 40 {
			item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{}}
			for n := range 6_000 {
				item.Max[corev1.ResourceName(fmt.Sprintf("example.com/a-device-of-a-long-name-%d", n))] = *resourceQuantity("5")
			}
			ExpectCreated(&corev1.LimitRange{
				ObjectMeta: objectMeta(
					namespace,
					fmt.Sprint("a-", i),
					nil,
				),
				Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
			})
		}
		Update(profile, func(p *v1alpha1.SecurityProfile) {
			p.Spec.Limits[0].Max[corev1.ResourceCPU] = *resourceQuantity("500m")
		})
		EventuallyEstablished(profile, namespace)
		ExpectBounded()
	})
})
