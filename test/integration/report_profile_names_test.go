package integration

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

var _ = Describe("A forged report that speaks of a profile which cannot be", func() {
	for _, impossible := range []string{"", "a/b", "..", "%2e", "no Profile"} {
		It(fmt.Sprintf("does not keep the baseline out: %q", impossible), func() {
			name := UniqueName()
			forged := &v1alpha1.NamespacePosture{
				ObjectMeta: metav1.ObjectMeta{Namespace: name + "-a", Name: v1alpha1.PostureName},
				Profile:    impossible, Enforcement: v1alpha1.EnforcementEnforce, ProfileGeneration: 1, Status: fixture.Ready(true),
			}
			profile := fixture.Profile(name)
			ExpectCreated(fixture.Namespace(name+"-a", name), forged, profile)
			EventuallyEstablished(profile, name+"-a")
			EventuallyReady(profile)
		})
	}
})
