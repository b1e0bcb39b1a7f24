package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
)

// RestartAPIServer kills kube-apiserver at once, starts it again with the same arguments, and waits until it is ready.
func (c *ControlPlane) RestartAPIServer(ctx context.Context) error {
	pid, err := c.PID("kube-apiserver")
	if err != nil {
		return err
	}
	cmdline, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return err
	}
	args := bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing kube-apiserver: %w", err)
	}
	if c.apiServer != nil {
		_ = c.apiServer.Wait() // It was killed: how it ended says nothing.
	}
	if err := c.await(ctx, func() bool { _, err := c.PID("kube-apiserver"); return err != nil }); err != nil {
		return fmt.Errorf("waiting for kube-apiserver to end: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ready := false; !ready; {
		// While nobody listens, any connection of this machine may be given its port: then it ends, and is started once more.
		if err := c.startAPIServerAgain(args); err != nil {
			return err
		}
		if ready, err = c.apiServerReady(ctx); err != nil {
			return fmt.Errorf("waiting for kube-apiserver to be ready: %w", err)
		}
	}
	return nil
}

func (c *ControlPlane) startAPIServerAgain(args [][]byte) error {
	c.apiServer = exec.Command(string(args[0]))
	for _, arg := range args[1:] {
		c.apiServer.Args = append(c.apiServer.Args, string(arg))
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "kube-apiserver.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c.apiServer.Stderr = log
	c.apiServer.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := c.apiServer.Start(); err != nil {
		return fmt.Errorf("starting kube-apiserver: %w", err)
	}
	return nil
}

// apiServerReady waits until kube-apiserver is ready, or has ended.
func (c *ControlPlane) apiServerReady(ctx context.Context) (ready bool, err error) {
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return false, err
	}
	ended := false
	err = c.await(ctx, func() bool {
		_, err := c.PID("kube-apiserver")
		ended = err != nil
		return ended || clients.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
	})
	if ended {
		_ = c.apiServer.Wait() // Its log says why it has ended.
	}
	return err == nil && !ended, err
}

// Pause stops a binary for a while, as a full disk or a frozen machine would: its connections stay open and nothing answers.
func (c *ControlPlane) Pause(ctx context.Context, name string, pause time.Duration) error {
	pid, err := c.PID(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("continuing %s: %w", name, err)
	}
	return ctx.Err()
}

// await polls until good.
func (c *ControlPlane) await(ctx context.Context, good func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for !good() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// PID is the process of this control plane, and no other's, that runs the binary of this name.
func (c *ControlPlane) PID(name string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		cmdline, err := os.ReadFile(file)
		if err != nil {
			continue // It has ended since.
		}
		binary, args, _ := bytes.Cut(cmdline, []byte{0})
		if filepath.Base(string(binary)) == name && bytes.Contains(args, []byte(c.dir)) {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, errors.New("no process of this control plane runs " + name)
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}
