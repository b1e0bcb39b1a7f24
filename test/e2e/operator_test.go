package e2e

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// deny is the policy that denies all traffic in a namespace.
type deny struct{ namespace string }

// get is a field of the policy; empty while there is no policy.
func (d deny) get(field string) string {
	out, _ := try("", "get", "--ignore-not-found", "-n", d.namespace, "networkpolicy", "bulwark-default-deny",
		"-o", "jsonpath={.metadata."+field+"}")
	return out
}

// drift deletes default-deny of the namespace of a pod that nobody may reach. It notes how long the policy was away, and
// how many connections to the pod were admitted meanwhile.
func drift(target place, when string) {
	GinkgoHelper()
	policy := deny{target.namespace}
	former := policy.get("uid")
	Expect(former).NotTo(BeEmpty())
	closed := func() (bool, error) { return connection{from: clientF, to: at(target, "8080")}.attempt() }
	open := watchPackets(addresses[target])
	start := time.Now()
	kubectl("delete", "--wait=false", "-n", target.namespace, "networkpolicy", "bulwark-default-deny")
	Eventually(policy.get).WithArguments("uid").WithPolling(20 * time.Millisecond).ShouldNot(BeElementOf("", former))
	away := time.Since(start)
	seen.note("default-deny of %s deleted %s: seen again %d ms after the call of kubectl began (created %s)",
		target.namespace, when, away.Milliseconds(), policy.get("creationTimestamp"))
	if open != nil {
		first, last, admitted, all := open()
		if admitted == 0 {
			seen.note("of %d connections to %s from outside, one every 10 ms until 2 s after, none was admitted", all, target)
		} else {
			seen.note("of %d connections to %s from outside, one every 10 ms until 2 s after, %d were admitted: "+
				"the first %d ms, the last %d ms after the call of kubectl began", all, target, admitted,
				first.Sub(start).Milliseconds(), last.Sub(start).Milliseconds())
		}
	}
	Eventually(closed).Should(BeFalse())
}

// watchPackets dials a pod every 10 ms, until the returned function is called and two more seconds have gone.
func watchPackets(host string) func() (first, last time.Time, admitted, all int) {
	if !onTheNodesNetwork() {
		return nil
	}
	var (
		lock        sync.Mutex
		first, last time.Time
		admitted    int
		all         int
		dials       sync.WaitGroup
	)
	done := make(chan struct{})
	dials.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case at := <-tick.C:
				dials.Go(func() {
					ok := dial(host, "8080", 500*time.Millisecond) // Before a SYN is sent again.
					lock.Lock()
					defer lock.Unlock()
					all++
					if !ok {
						return
					}
					admitted++
					if first.IsZero() || at.Before(first) {
						first = at
					}
					if at.After(last) {
						last = at
					}
				})
			}
		}
	})
	return func() (time.Time, time.Time, int, int) {
		time.Sleep(2 * time.Second) // What is watched is that nothing happens.
		close(done)
		dials.Wait()
		return first, last, admitted, all
	}
}

// leader is the pod that holds the Lease.
func leader() string {
	lease := []string{"-n", operatorNamespace, "get", "lease", "bulwark.security.bulwark.dev", "-o"}
	holder, _ := try("", append(lease, "jsonpath={.spec.holderIdentity}")...)
	pod, _, _ := strings.Cut(holder, "_")
	return pod
}

// loseLeader deletes the leader's pod at once, deletes default-deny, and waits for the next leader to put it back.
func loseLeader() {
	GinkgoHelper()
	Expect(strings.Fields(kubectl("-n", operatorNamespace, "get", "pods", "-o", "name"))).To(HaveLen(2), "replicas")
	former := leader()
	kubectl("-n", operatorNamespace, "delete", "pod", former, "--grace-period=0", "--force")
	start := time.Now()
	hold("leader lost", []connection{governed[0], governed[2]})
	drift(webA, "while the leader was lost")
	Eventually(leader).ShouldNot(BeElementOf("", former))
	seen.note("leader %s was lost: %s leads, at most %d s after", former, leader(), int(time.Since(start).Seconds()))
	kubectl("-n", operatorNamespace, "rollout", "status", "deployment/bulwark-manager", "--timeout=180s")
}

// restartNode kills kubelet, containerd and all containers, starts the first two, and waits until every pod is back.
func restartNode() {
	GinkgoHelper()
	command := os.Getenv("NODE_RESTART")
	if command == "" {
		Skip("NODE_RESTART says no way to restart a node")
	}
	start := time.Now()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	for _, p := range everywhere { // What the API server says of a pod is of before, until the kubelet has counted.
		Eventually(func() string {
			out, _ := try("", "-n", p.namespace, "get", "pod", p.name,
				"-o", "jsonpath={.status.containerStatuses[0].restartCount}")
			return out
		}).ShouldNot(BeElementOf("", "0"), p.String())
	}
	awaitWorld()
	for _, deployment := range []string{"kube-system/coredns", operatorNamespace + "/bulwark-manager"} {
		namespace, name, _ := strings.Cut(deployment, "/")
		Eventually(func() string {
			out, _ := try("", "-n", namespace, "get", "deployment", name, "-o", "jsonpath={.status.unavailableReplicas}")
			return out
		}).Should(BeEmpty(), deployment)
	}
	seen.note("node restarted, all containers killed: every pod ready again after %d s", int(time.Since(start).Seconds()))
	Eventually(func() (bool, error) { return governed[7].attempt() }).Should(BeTrue())
	drift(webA, "right after the node's restart")
}
