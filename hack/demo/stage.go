package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const patience = 30 * time.Second

// stage is the running control plane and operator, and the count of what was checked on it.
type stage struct {
	out      io.Writer
	plane    *controlplane.ControlPlane
	operator *controlplane.Operator
	held     int
}

// open starts the control plane, installs Bulwark, and runs the operator as a process of its own
// with the permissions of its own ServiceAccount.
func (s *stage) open(ctx context.Context) (err error) {
	s.title("Starting a control plane (about 5 s)")
	fmt.Fprintln(s.out, "# etcd, kube-apiserver and kube-controller-manager "+controlplane.Version+", on loopback")
	if s.plane, err = controlplane.Start(ctx); err != nil {
		return err
	}
	s.title("Installing Bulwark (about 5 s)")
	if err := s.plane.Install(ctx); err != nil {
		return err
	}
	return s.startOperator(ctx)
}

func (s *stage) startOperator(ctx context.Context) error {
	cfg, err := s.plane.OperatorConfig(ctx)
	if err != nil {
		return err
	}
	if s.operator, err = s.plane.StartOperator(controlplane.OperatorBinary(), cfg); err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	fmt.Fprintf(s.out, "# the operator runs as process %d and as %s; its log is %s\n",
		s.operator.PID(), controlplane.OperatorUser, s.operator.Log)
	return s.poll(ctx, "the operator to be ready (see "+s.operator.Log+")", s.operator.Ready)
}

func (s *stage) close() error {
	var failures []error
	if s.operator != nil {
		failures = append(failures, s.operator.Terminate())
	}
	if s.plane != nil {
		failures = append(failures, s.plane.Stop())
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

// refused runs kubectl and checks that the API server refuses it in these words. A policy is asked
// a second or two after it was written: the command is run dry until then, which does no harm.
func (s *stage) refused(ctx context.Context, args, words string) error {
	command, input, piped := strings.Cut(args, stdin)
	dry := command + " --dry-run=server"
	if piped {
		dry += stdin + input
	}
	var out string
	err := s.poll(ctx, fmt.Sprintf("kubectl %s to be refused with %q", dry, words), func() (refused bool) {
		var err error
		out, err = s.kubectl(ctx, dry)
		return err != nil && strings.Contains(out, words)
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	out, err = s.kubectl(ctx, args)
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
	return s.until(
		ctx,
		args,
		fmt.Sprintf("%q %d times", word, times),
		func(out string) bool { return strings.Count(out, word) >= times },
	)
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

// stdin is before what kubectl is given to read, as shells have it.
const stdin = " <<< "

func (s *stage) kubectl(ctx context.Context, args string) (string, error) {
	args, input, _ := strings.Cut(args, stdin)
	cmd := s.plane.Kubectl(ctx, fields(args)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *stage) print(args, out string) {
	args, input, piped := strings.Cut(args, stdin)
	fmt.Fprintf(s.out, "$ kubectl %s", quoted(fields(args)))
	if piped {
		fmt.Fprintf(s.out, "%s%s", stdin, quoted([]string{input}))
	}
	fmt.Fprintf(s.out, "\n%s", out)
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
