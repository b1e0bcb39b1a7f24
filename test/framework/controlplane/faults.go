package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
)

// RestartAPIServer kills kube-apiserver at once, starts it again with the same arguments, and waits
// until it is ready.
func (c *ControlPlane) RestartAPIServer(ctx context.Context) error {
	args, err := c.arguments("kube-apiserver")
	if err != nil {
		return err
	}
	if err := c.kill(ctx, "kube-apiserver"); err != nil {
		return err
	}
	return c.startAPIServerUntilReady(ctx, args)
}

func (c *ControlPlane) startAPIServerUntilReady(ctx context.Context, args [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for ready := false; !ready; {
		// While nobody listens, any connection of this machine may be given its port: then it ends,
		// and is started once more.
		var err error
		if c.apiServer, err = c.startAgain(args); err != nil {
			return fmt.Errorf("starting kube-apiserver: %w", err)
		}
		if ready, err = c.apiServerReady(ctx); err != nil {
			return fmt.Errorf("waiting for kube-apiserver to be ready: %w", err)
		}
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

// PauseEtcd stops etcd for a while, as a full disk or a frozen machine would: its connections stay
// open and nothing answers.
func (c *ControlPlane) PauseEtcd(ctx context.Context, pause time.Duration) error {
	pid, err := c.PID("etcd")
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stopping etcd: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("continuing etcd: %w", err)
	}
	return ctx.Err()
}

// FreezeControllerManager stops kube-controller-manager where it is, until ThawControllerManager
// lets it go on.
func (c *ControlPlane) FreezeControllerManager() error {
	return c.signalControllerManager(syscall.SIGSTOP)
}

// ThawControllerManager lets kube-controller-manager go on.
func (c *ControlPlane) ThawControllerManager() error {
	return c.signalControllerManager(syscall.SIGCONT)
}

func (c *ControlPlane) signalControllerManager(signal syscall.Signal) error {
	if err := c.manager.Process.Signal(signal); err != nil {
		return fmt.Errorf("signalling kube-controller-manager: %w", err)
	}
	return nil
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
