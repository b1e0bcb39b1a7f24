package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Snapshot is what etcd held at a moment.
type Snapshot struct{ dir string }

// Snapshot copies etcd's files while etcd stands still, which is what a machine that loses its
// power leaves behind: etcd starts from it.
func (c *ControlPlane) Snapshot() (*Snapshot, error) {
	pid, err := c.PID("etcd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.dir, "snapshot-")
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("stopping etcd: %w", err)
	}
	err = os.CopyFS(filepath.Join(dir, "etcd"), os.DirFS(c.etcdDir()))
	if continued := syscall.Kill(pid, syscall.SIGCONT); continued != nil {
		err = errors.Join(err, fmt.Errorf("continuing etcd: %w", continued))
	}
	return &Snapshot{dir: filepath.Join(dir, "etcd")}, err
}

// Restore stops the control plane, puts what etcd held at the snapshot in the place of what it
// holds, and starts the control plane again, as an administrator does after a disaster. The
// operator is left as it is.
func (c *ControlPlane) Restore(ctx context.Context, snapshot *Snapshot) error {
	apiServer, err := c.arguments("kube-apiserver")
	if err != nil {
		return err
	}
	etcd, err := c.arguments("etcd")
	if err != nil {
		return err
	}
	_ = c.manager.Process.Kill() // It fails only if the process has ended.
	_ = c.manager.Wait()
	for _, binary := range []string{"kube-apiserver", "etcd"} {
		if err := c.kill(ctx, binary); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(c.etcdDir()); err != nil {
		return err
	}
	if err := os.CopyFS(c.etcdDir(), os.DirFS(snapshot.dir)); err != nil {
		return fmt.Errorf("putting the snapshot in its place: %w", err)
	}
	if err := os.Chmod(c.etcdDir(), 0o700); err != nil {
		return err
	}
	c.etcd, err = c.startAgain(etcd)
	if err != nil {
		return fmt.Errorf("starting etcd: %w", err)
	}
	if err := c.startAPIServerUntilReady(ctx, apiServer); err != nil {
		return err
	}
	return c.startControllerManager()
}

func (c *ControlPlane) etcdDir() string { return filepath.Join(c.dir, "etcd") }

// arguments are those that the running process of this name was started with, itself the first.
func (c *ControlPlane) arguments(binary string) ([][]byte, error) {
	pid, err := c.PID(binary)
	if err != nil {
		return nil, err
	}
	cmdline, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimRight(cmdline, "\x00"), []byte{0}), nil
}

// kill ends a process at once, and waits until it is gone.
func (c *ControlPlane) kill(ctx context.Context, binary string) error {
	pid, err := c.PID(binary)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", binary, err)
	}
	for _, restarted := range []*exec.Cmd{c.apiServer, c.etcd} { // Else it is the environment's.
		if restarted != nil && restarted.Process.Pid == pid {
			_ = restarted.Wait() // It was killed: how it ended says nothing.
		}
	}
	if err := c.await(ctx, func() bool { _, err := c.PID(binary); return err != nil }); err != nil {
		return fmt.Errorf("waiting for %s to end: %w", binary, err)
	}
	return nil
}

// startAgain starts a process that was killed. It dies with the process that started it.
func (c *ControlPlane) startAgain(args [][]byte) (*exec.Cmd, error) {
	cmd := exec.Command(string(args[0]))
	for _, arg := range args[1:] {
		cmd.Args = append(cmd.Args, string(arg))
	}
	log, err := os.OpenFile(
		filepath.Join(c.dir, filepath.Base(string(args[0]))+".log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY,
		0o600,
	)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr, cmd.Env = log, c.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	return cmd, cmd.Start()
}
