// Package attack lets tenants with too many permissions try to weaken, forge, strip, race or get
// around the baseline of a profile that has everything switched on, on a real control plane.
// docs/security.md lists what comes of it.
package attack

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	. "github.com/bulwark-dev/bulwark/test/framework/expect"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

var (
	ctx          context.Context
	bed          *testbed.Cluster
	plane        *controlplane.ControlPlane
	admin        client.Client
	operatorConf *rest.Config
	bulwark      *RunningOperator
	fortress     *v1alpha1.SecurityProfile
)

const (
	// shop is the governed namespace that most attacks are on. None leaves a trace there.
	shop = "shop"
	// annex is the governed namespace of those whose traces are undone.
	annex = "annex"
	// outside is a namespace that no profile selects.
	outside = "outside"
	// inherited is a governed namespace that has two owners.
	inherited = "inherited"
)

func TestAttack(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "attack")
}

var _ = BeforeSuite(func() {
	logf.SetLogger(zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true)))
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	SetDefaultConsistentlyPollingInterval(200 * time.Millisecond)

	bed = testbed.Installed(GinkgoTB())
	UseCluster(bed)
	ctx, plane, admin = bed.Context, bed.Plane, bed.Admin
	operatorConf = bed.OperatorConfig(GinkgoTB())

	bulwark = startOperator()
	DeferCleanup(func() { bulwark.Stop() })

	fortress = everything()
	Expect(admin.Create(ctx, fortress)).To(Succeed())
	for _, namespace := range []string{shop, annex} {
		Expect(admin.Create(ctx, selected(namespace))).To(Succeed())
	}
	Expect(admin.Create(ctx, unselected(outside))).To(Succeed())
	ownedBySome := selected(inherited)
	ownedBySome.OwnerReferences = []metav1.OwnerReference{liveOwner(), liveOwner()}
	Expect(admin.Create(ctx, ownedBySome)).To(Succeed())
	grantTooMuch()
	for _, namespace := range []string{shop, annex, inherited} {
		EventuallyEstablished(fortress, namespace)
	}
	breakProfiles()
	EventuallyInForce(fortress)
	Expect(admin.Create(ctx, compliantPod(shop, standing))).To(Succeed())
})

func startOperator() *RunningOperator { return StartOperator(operatorConf) }
