package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// eventReasons are the reasons of our events that regard an object, one for each event object.
func eventReasons(kind, name string) []string {
	GinkgoHelper()
	events := &eventsv1.EventList{}
	Expect(admin.List(ctx, events)).To(Succeed())
	var reasons []string
	for _, e := range events.Items {
		if e.ReportingController == "bulwark" && e.Regarding.Kind == kind && e.Regarding.Name == name {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// operatorWrites are the operator's own writes, by the API server's audit log.
func operatorWrites() []controlplane.Write {
	GinkgoHelper()
	writes, err := plane.Writes(controlplane.OperatorUser)
	Expect(err).NotTo(HaveOccurred())
	return writes
}

// baselineWrites are how many writes the operator made to objects of baselines and to reports,
// refused ones included.
func baselineWrites() int {
	GinkgoHelper()
	n := 0
	for _, w := range operatorWrites() {
		switch w.Resource {
		case "events", "securityprofiles", "namespacepostures":
		default:
			if w.Stored() {
				n++
			}
		}
	}
	return n
}

// metric is the sum of the operator's samples of a name that bear these labels; of a histogram, its
// count.
func metric(name string, labels ...string) float64 {
	GinkgoHelper()
	families, err := bulwark.Metrics.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if !bears(m, labels) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func bears(m *dto.Metric, labels []string) bool {
	held := map[string]string{}
	for _, pair := range m.GetLabel() {
		held[pair.GetName()] = pair.GetValue()
	}
	for i := 0; i < len(labels); i += 2 {
		if held[labels[i]] != labels[i+1] {
			return false
		}
	}
	return true
}

func resourceQuantity(s string) *resource.Quantity {
	quantity := resource.MustParse(s)
	return &quantity
}
