package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/controlplane"
)

const patience = 30 * time.Second

// stage is the running control plane and operator, and the count of what was checked on it.
type stage struct {
	out      io.Writer
	plane    *controlplane.ControlPlane
	operator *exec.Cmd
	dir      string
	held     int
}

// open starts the control plane, installs Bulwark, and runs the operator as a process of its own with the permissions of its
// own ServiceAccount.
func (s *stage) open(ctx context.Context) (err error) {
	s.title("Starting a control plane (about 5 s)")
	fmt.Fprintln(s.out, "# etcd, kube-apiserver and kube-controller-manager "+controlplane.Version+", on loopback")
	if s.plane, err = controlplane.Start(ctx); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "bulwark-demo-"); err != nil {
		return err
	}
	s.title("Installing Bulwark (about 5 s)")
	if err := s.plane.Install(ctx); err != nil {
		return err
	}
	return s.startOperator(ctx)
}

func (s *stage) startOperator(ctx context.Context) error {
	cfg, err := s.plane.ServiceAccountConfig(ctx, v1alpha1.OperatorNamespace, "bulwark-manager")
	if err != nil {
		return err
	}
	kubeconfig, log := filepath.Join(s.dir, "operator.kubeconfig"), filepath.Join(s.dir, "operator.log")
	if err := controlplane.WriteKubeconfig(kubeconfig, cfg); err != nil {
		return err
	}
	health, err := freeAddress()
	if err != nil {
		return err
	}
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	defer file.Close()
	s.operator = exec.Command(filepath.Join(controlplane.Root(), "bin", "manager"),
		"--kubeconfig="+kubeconfig, "--health-probe-bind-address="+health, "--metrics-bind-address=0", "--log-format=text")
	s.operator.Stdout, s.operator.Stderr = file, file
	s.operator.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := s.operator.Start(); err != nil {
		return fmt.Errorf("starting the operator: %w (make build)", err)
	}
	fmt.Fprintf(s.out, "# the operator runs as process %d and as system:serviceaccount:%s:bulwark-manager; its log is %s\n",
		s.operator.Process.Pid, v1alpha1.OperatorNamespace, log)
	return s.poll(ctx, "the operator to be ready (see "+log+")", func() bool {
		response, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (s *stage) close() error {
	var failures []error
	if s.operator != nil && s.operator.Process != nil {
		failures = append(failures, s.operator.Process.Signal(syscall.SIGTERM))
		failures = append(failures, s.operator.Wait())
	}
	if s.plane != nil {
		failures = append(failures, s.plane.Stop())
	}
	if s.dir != "" {
		failures = append(failures, os.RemoveAll(s.dir))
	}
	return errors.Join(failures...)
}

func (s *stage) title(title string) {
	fmt.Fprintf(s.out, "\n\033[1m== %s\033[0m\n", title)
}

// show runs kubectl and shows the command and what it prints. It must succeed.
func (s *stage) show(ctx context.Context, args string) error {
	out, err := s.kubectl(ctx, args)
	s.print(args, out)
	if err != nil {
		return fmt.Errorf("kubectl %s: %w", args, err)
	}
	return nil
}

// refused runs kubectl and checks that the API server refuses it in these words.
func (s *stage) refused(ctx context.Context, args, words string) error {
	out, err := s.kubectl(ctx, args)
	s.print(args, out)
	if err == nil || !strings.Contains(out, words) {
		return fmt.Errorf("kubectl %s was not refused with %q", args, words)
	}
	s.held++
	return nil
}

// eventually runs kubectl until it prints what is wanted, and shows that.
func (s *stage) eventually(ctx context.Context, args, want string) error {
	return s.until(ctx, args, fmt.Sprintf("%q", want), func(out string) bool { return strings.TrimSpace(out) == want })
}

// eventuallyContains runs kubectl until it prints a word so many times, and shows that.
func (s *stage) eventuallyContains(ctx context.Context, args string, times int, word string) error {
	return s.until(ctx, args, fmt.Sprintf("%q %d times", word, times), func(out string) bool { return strings.Count(out, word) >= times })
}

func (s *stage) until(ctx context.Context, args, want string, good func(string) bool) error {
	var out string
	err := s.poll(ctx, "kubectl "+args+" to print "+want, func() bool {
		out, _ = s.kubectl(ctx, args) // "no" of auth can-i is an exit status of 1: what counts is what it prints.
		return good(out)
	})
	s.print(args, out)
	if err == nil {
		s.held++
	}
	return err
}

func (s *stage) poll(ctx context.Context, what string, good func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !good() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (s *stage) kubectl(ctx context.Context, args string) (string, error) {
	out, err := s.plane.Kubectl(ctx, fields(args)...).CombinedOutput()
	return string(out), err
}

func (s *stage) print(args, out string) {
	fmt.Fprintf(s.out, "$ kubectl %s\n%s", quoted(fields(args)), out)
	if !strings.HasSuffix(out, "\n") {
		fmt.Fprintln(s.out)
	}
}

// quoted is a command line that a shell takes as it is.
func quoted(args []string) string {
	var words []string
	for _, arg := range args {
		if strings.ContainsAny(arg, "{}[]\"\\ ") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
