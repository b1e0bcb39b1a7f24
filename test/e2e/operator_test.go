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

// pathOfDeny is the NetworkPolicy that denies all traffic in a.
var pathOfDeny = []string{"-n", teamA, "networkpolicy", "bulwark-default-deny"}

// uidOfDeny is the UID of that policy; empty while there is none.
func uidOfDeny() string {
	out, _ := try("", append([]string{"get", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}"}, pathOfDeny...)...)
	return out
}

// drift deletes default-deny, and notes how long it was away and for how long a connection was admitted.
func drift(when string) {
	GinkgoHelper()
	former := uidOfDeny()
	Expect(former).NotTo(BeEmpty())
	open := watchPackets()
	start := time.Now()
	kubectl(append([]string{"delete", "--wait=false"}, pathOfDeny...)...)
	Eventually(uidOfDeny).WithPolling(20 * time.Millisecond).ShouldNot(BeElementOf("", former))
	away := time.Since(start)
	created := kubectl(append([]string{"get", "-o", "jsonpath={.metadata.creationTimestamp}"}, pathOfDeny...)...)
	seen.note("default-deny deleted while %s: seen again %d ms after the call of kubectl began (created %s)",
		when, away.Milliseconds(), created)
	if open != nil {
		first, last, admitted, all := open()
		if admitted == 0 {
			seen.note("of %d connections from outside meanwhile, one every 10 ms, none was admitted", all)
			return
		}
		seen.note("of %d connections from outside meanwhile, one every 10 ms, %d were admitted, within %d ms",
			all, admitted, last.Sub(first).Milliseconds())
	}
}

// watchPackets dials a pod that nobody may reach every 10 ms, until the returned function is called
// and two more seconds have gone.
func watchPackets() func() (first, last time.Time, admitted, all int) {
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
	done, host := make(chan struct{}), addresses[webA]
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
	drift("the leader was lost")
	Eventually(leader).ShouldNot(BeElementOf("", former))
	seen.note("leader %s was lost: %s leads, %d s after", former, leader(), int(time.Since(start).Seconds()))
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
		}).Should(Equal("1"), p.String())
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
	drift("the node had been restarted")
}
