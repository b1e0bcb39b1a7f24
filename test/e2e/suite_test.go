// Package e2e tests Bulwark as it is delivered: pods on a real node, and packets between them. It
// runs on any cluster whose network plugin enforces NetworkPolicy, by E2E_KUBECONFIG, and is
// skipped without. It knows a cluster by kubectl alone. It may import the control plane's paths,
// and must never start a part of a cluster.
//
//	E2E_KUBECONFIG  the cluster; it is written to
//	E2E_IMAGE       an image with busybox that its nodes have or can pull: localhost/busybox:1
//	E2E_INSTALL     default is config/default, chart the Helm chart, none is what is there already
//	E2E_TABLE       a file that the table of connections is written to
//	E2E_VERSIONS    versions of parts that the cluster does not tell, for the table
//	OUTSIDE         two addresses outside of the cluster that serve 8080, the first 8081 too; the suite runs on them
//	NODE_RESTART    a command that restarts the only node
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const operatorNamespace = "bulwark-system"

func TestEndToEnd(t *testing.T) {
	if os.Getenv("E2E_KUBECONFIG") == "" {
		t.Skip("E2E_KUBECONFIG names no cluster: make node makes one")
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "e2e")
}

var _ = BeforeSuite(func() {
	SetDefaultEventuallyTimeout(3 * time.Minute)
	SetDefaultEventuallyPollingInterval(500 * time.Millisecond)
	seen.learnVersions()
	install()
	makeWorld()
})

var _ = ReportAfterSuite("the table", func(Report) { seen.write() })

// setting is an environment variable, or what it is by default.
func setting(name, byDefault string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return byDefault
}

func step(format string, args ...any) {
	GinkgoHelper()
	text := fmt.Sprintf(format, args...)
	By(text)
	fmt.Fprintf(os.Stdout, "  %s %s\n", time.Now().Format(time.TimeOnly), text)
}

// try runs kubectl as the administrator. The error says what kubectl said.
func try(input string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(controlplane.Assets(), "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+os.Getenv("E2E_KUBECONFIG"))
	cmd.Dir = controlplane.Root()
	cmd.Stdin = strings.NewReader(input)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, failure.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// kubectl is the same, and has to succeed.
func kubectl(args ...string) string {
	GinkgoHelper()
	out, err := try("", args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// apply applies objects as YAML.
func apply(objects string) {
	GinkgoHelper()
	_, err := try(objects, "apply", "-f", "-")
	Expect(err).NotTo(HaveOccurred())
}

// remove deletes objects at the end of the suite. In a spec it would do so at the end of the spec.
func remove(args ...string) {
	DeferCleanup(func() { _, _ = try("", append([]string{"delete", "--ignore-not-found", "--wait=false"}, args...)...) })
}

// exitCode is how a command in a container ended; an error is one of the way to it.
func exitCode(err error) (int, error) {
	var ended *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if errors.As(err, &ended) && strings.Contains(err.Error(), "command terminated with exit code") {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// installed is what the operator is installed from.
func installed() string {
	switch setting("E2E_INSTALL", "default") {
	case "default":
		return "config/default"
	case "chart":
		return "the Helm chart"
	default:
		return "the operator that was there"
	}
}

// install installs the operator, if it is not there, and waits until its pods are ready.
func install() {
	GinkgoHelper()
	start := time.Now()
	step("installing the operator: %s", installed())
	switch setting("E2E_INSTALL", "default") {
	case "default":
		kubectl("apply", "--server-side", "-k", "config/default")
	case "chart":
		helm := filepath.Join(controlplane.Root(), "bin", "helm")
		cmd := exec.Command(helm, "install", "bulwark", "config/chart", "--namespace", operatorNamespace,
			"--create-namespace", "--set", "namespace.create=true", "--kubeconfig", os.Getenv("E2E_KUBECONFIG"))
		cmd.Dir = controlplane.Root()
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
	}
	kubectl("-n", operatorNamespace, "rollout", "status", "deployment/bulwark-manager", "--timeout=180s")
	seen.note("the operator's pods were ready %d s after the install began", int(time.Since(start).Seconds()))
}
