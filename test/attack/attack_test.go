package attack

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	. "github.com/bulwark-dev/bulwark/test/framework/expect"
)

// outcome is what comes of an attack.
type outcome string

const (
	// refused: the API server refuses every request, and nothing has changed, also while the
	// operator is down.
	refused outcome = "refused"
	// undone: the API server admits it, and the operator puts everything back within seconds.
	undone outcome = "undone"
	// harmless: the API server admits it, and what the attacker wants does not come of it.
	harmless outcome = "harmless"
)

// attack is one attempt to weaken a baseline.
type attack struct {
	name    string // a row of docs/security.md
	as      tenant
	outcome outcome
	// why is a part of the API server's answer to each request that is refused.
	why string
	// do makes the requests as the tenant and returns the answer to each.
	do func(as client.Client) []error
	// since is the version of Kubernetes from which on there is the feature that it uses; empty if
	// there always was.
	since, feature string
	// then checks what must be so afterwards. It is what proves that an attack is harmless.
	then func()
}

// attacks are all of them, in the order of the documentation.
func attacks() []attack {
	return slices.Concat(
		objectAttacks(),
		ownershipAttacks(),
		nameAttacks(),
		labelAttacks(),
		reportAttacks(),
		heldReportAttacks(),
		historyAttacks(),
		namespaceAttacks(),
		selectionAttacks(),
		brokenProfileAttacks(),
		endAttacks(),
		ownerAttacks(),
		podAttacks(),
		templateAttacks(),
		schedulingAttacks(),
		imageAttacks(),
		runningPodAttacks(),
		networkAttacks(),
		serviceAttacks(),
		quotaAttacks(),
		countingAttacks(),
		permissionAttacks(),
		impersonationAttacks(),
		authorAttacks(),
		textAttacks(),
		raceAttacks(),
		breakGlassAttacks(),
		memoryAttacks(),
	)
}

// run carries the attack out and checks what came of it.
func (a *attack) run() {
	GinkgoHelper()
	if a.since != "" {
		bed.SkipBefore(GinkgoTB(), a.since, a.feature)
	}
	before := map[string]map[string]any{shop: Picture(shop), annex: Picture(annex)}
	answers := a.do(a.as.client())
	Expect(answers).NotTo(BeEmpty(), "the attack makes no request")
	for i, answer := range answers {
		if a.outcome == refused {
			Expect(answer).To(HaveOccurred(), "request %d was admitted", i)
			Expect(apierrors.IsForbidden(answer) || apierrors.IsInvalid(answer)).To(BeTrue(), "request %d: %v", i, answer)
			Expect(answer).To(MatchError(ContainSubstring(a.why)), "request %d", i)
		} else {
			Expect(answer).NotTo(HaveOccurred(), "request %d", i)
		}
	}
	for namespace := range before {
		switch a.outcome {
		case refused:
			after := Picture(namespace)
			if !reflect.DeepEqual(before[namespace], after) { // To tell the difference costs more than all else here.
				Expect(cmp.Diff(before[namespace], after)).To(BeEmpty(), "something of %s has changed", namespace)
			}
		case undone:
			EventuallyEstablished(fortress, namespace)
		case harmless:
		}
	}
	if a.then != nil {
		a.then()
	}
}

// One container holds all specs, so that the one that restarts the API server is the last.
var _ = Describe("With everything switched on,", func() {
	Describe("a tenant who", func() {
		for _, a := range attacks() {
			It(fmt.Sprintf("%s, as %s: %s", a.name, a.as.title, a.outcome), a.run)
		}
	})
	Describe("while the operator is down, a tenant who", Ordered, whileTheOperatorIsDown)
	Describe("what is legitimate still works:", legitimate)
	Describe("a namespace's owners:", namespaceOwners)
	Describe("the operator", Ordered, operatorIdentity)
	Describe("for every namespace,", restart)
})

func whileTheOperatorIsDown() {
	BeforeAll(func() { bulwark.Stop() })
	AfterAll(func() {
		bulwark = startOperator()
		for _, namespace := range []string{shop, annex} {
			EventuallyEstablished(fortress, namespace)
		}
	})
	for _, a := range attacks() {
		if a.outcome == refused {
			It(fmt.Sprintf("%s, as %s: %s", a.name, a.as.title, a.outcome), a.run)
		}
	}
	for _, a := range attacksOnADownOperator() {
		It(fmt.Sprintf("%s, as %s: %s", a.name, a.as.title, a.outcome), a.run)
	}
}
