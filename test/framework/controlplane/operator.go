package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
)

// OperatorUser is who the operator is to the API server.
const OperatorUser = "system:serviceaccount:" + v1alpha1.OperatorNamespace + ":bulwark-manager"

// operatorAccount is the name of its ServiceAccount.
const operatorAccount = "bulwark-manager"

// OperatorBinary is what `make build` builds.
func OperatorBinary() string { return filepath.Join(Root(), "bin", "manager") }

// OperatorProof is what the API server says of the operator beside its name.
func (c *ControlPlane) OperatorProof(ctx context.Context) (admission.Proof, error) {
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return admission.Proof{}, err
	}
	account, err := clients.CoreV1().
		ServiceAccounts(v1alpha1.OperatorNamespace).
		Get(ctx, operatorAccount, metav1.GetOptions{})
	if err != nil {
		return admission.Proof{}, fmt.Errorf("reading the operator's ServiceAccount: %w", err)
	}
	return admission.Proof{UID: string(account.UID), Credential: true}, nil
}

// OperatorConfig is the configuration of a client that is the operator.
func (c *ControlPlane) OperatorConfig(ctx context.Context) (*rest.Config, error) {
	return c.ServiceAccountConfig(ctx, v1alpha1.OperatorNamespace, operatorAccount)
}

// Operator is an operator that runs as a process of its own.
type Operator struct {
	// Health and Metrics are the addresses at which it serves.
	Health, Metrics string
	// Log is the path of its log.
	Log string

	cmd   *exec.Cmd
	ended chan struct{}
}

var operators atomic.Int64

// StartOperator runs the binary with the flags that every operator of a test needs, and these. It
// dies with the process that started it. Its log and its kubeconfig, which is of the given
// configuration, are among the control plane's files.
func (c *ControlPlane) StartOperator(binary string, cfg *rest.Config, args ...string) (*Operator, error) {
	name := filepath.Join(c.dir, "operator-"+strconv.FormatInt(operators.Add(1), 10))
	kubeconfig := name + ".kubeconfig"
	if err := WriteKubeconfig(kubeconfig, cfg); err != nil {
		return nil, err
	}
	log, err := os.Create(name + ".log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	o := &Operator{Log: log.Name(), ended: make(chan struct{})}
	for _, address := range []*string{&o.Health, &o.Metrics} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		*address = "127.0.0.1:" + strconv.Itoa(port)
	}
	o.cmd = exec.Command(binary, append([]string{
		"--kubeconfig=" + kubeconfig, "--log-format=text",
		"--health-probe-bind-address=" + o.Health, "--metrics-bind-address=" + o.Metrics,
	}, args...)...)
	o.cmd.Stdout, o.cmd.Stderr = log, log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := o.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the operator: %w", err)
	}
	go func() {
		defer close(o.ended)
		_ = o.cmd.Wait() // Who waits for the end looks at ExitCode.
	}()
	return o, nil
}

// PID is the operator's process.
func (o *Operator) PID() int { return o.cmd.Process.Pid }

// Ended is closed when the operator has ended.
func (o *Operator) Ended() <-chan struct{} { return o.ended }

// Kill kills the operator at once, and waits until it is gone.
func (o *Operator) Kill() {
	_ = o.cmd.Process.Kill() // It fails only if the process has ended.
	<-o.ended
}

// Terminate tells the operator to end, and waits for it.
func (o *Operator) Terminate() error {
	_ = o.cmd.Process.Signal(syscall.SIGTERM) // It fails only if the process has ended.
	<-o.ended
	if code := o.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the operator ended with status %d (see %s)", code, o.Log)
	}
	return nil
}

// Ready reports whether /readyz answers 200.
func (o *Operator) Ready() bool {
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + o.Health + "/readyz")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// ResidentMemory is the operator's resident set and its largest so far, in bytes.
func (o *Operator) ResidentMemory() (now, peak int64, err error) {
	status, err := os.ReadFile(procFile(o.PID(), "status"))
	if err != nil {
		return 0, 0, err
	}
	for line := range bytes.Lines(status) {
		field, value, _ := bytes.Cut(line, []byte(":"))
		kilobytes, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
		switch string(field) {
		case "VmRSS":
			now, err = strconv.ParseInt(string(kilobytes), 10, 64)
		case "VmHWM":
			peak, err = strconv.ParseInt(string(kilobytes), 10, 64)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return now << 10, peak << 10, nil
}

// KeepLogs copies the logs of the operators and the audit log to a folder that outlives the control
// plane.
func (c *ControlPlane) KeepLogs(folder string) error { return CopyLogs(c.dir, folder) }

// CopyLogs copies the logs that are in a folder to another, which it makes if need be.
func CopyLogs(from, folder string) error {
	logs, err := filepath.Glob(filepath.Join(from, "*.log"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(log)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// SearchLogs are the lines of the operators' logs that hold one of the words.
func (c *ControlPlane) SearchLogs(words ...string) ([]string, error) {
	logs, err := filepath.Glob(filepath.Join(c.dir, "operator-*.log"))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(data)) {
			if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(line, word) }) {
				found = append(found, filepath.Base(log)+": "+strings.TrimSpace(line))
			}
		}
	}
	return found, nil
}
