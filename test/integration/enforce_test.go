package integration

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

var _ = Describe("A profile that enforces", func() {
	It("brings a namespace to its baseline", func() {
		profile, namespace := Governed()
		EventuallyEstablished(profile, namespace)
		EventuallyReady(profile)
	})
})

var _ = v1alpha1.Enforce
