package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// The processes have a network of their own (hack/argocd/run.sh), so these ports are free.
const (
	redisPort       = "16379"
	repoPort        = "18081"
	repoMetricsPort = "18084"
	metricsPort     = "18082"
	controllerUser  = "argocd-application-controller"
)

// argo is Argo CD as its processes: Redis, repo-server, application controller.
type argo struct {
	binary     string
	module     string // the folder of its module
	dir        string // what its processes write
	kubeconfig string // the controller's own
	processes  map[string]*exec.Cmd
}

// newArgo prepares it. Its controller is the ServiceAccount that its manifests give it.
func newArgo(ctx context.Context, binary, module, dir string, plane *controlplane.ControlPlane) (*argo, error) {
	kubeconfig := filepath.Join(dir, "kubeconfig")
	a := &argo{binary: binary, module: module, dir: dir, kubeconfig: kubeconfig, processes: map[string]*exec.Cmd{}}
	cfg, err := plane.ServiceAccountConfig(ctx, argoNamespace, controllerUser)
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"bin", "config/tls", "config/ssh", "config/gpg/source", "config/gpg/keys", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	if err := a.linkRenderers(); err != nil {
		return nil, err
	}
	return a, controlplane.WriteKubeconfig(a.kubeconfig, cfg)
}

// linkRenderers puts what repo-server runs into a folder of its PATH: Helm, kubectl's own kustomize
// under the name that repo-server knows, and Argo CD's script that looks at signatures.
func (a *argo) linkRenderers() error {
	helm := filepath.Join(controlplane.Root(), "bin", "helm")
	if _, err := os.Stat(helm); err != nil {
		return fmt.Errorf("no Helm: run make helm: %w", err)
	}
	if err := os.Symlink(helm, filepath.Join(a.dir, "bin", "helm")); err != nil {
		return err
	}
	verify, err := os.ReadFile(filepath.Join(a.module, "hack", "git-verify-wrapper.sh"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "bin", "git-verify-wrapper.sh"), verify, 0o700); err != nil {
		return err
	}
	kubectl := filepath.Join(controlplane.Assets(), "kubectl")
	kustomize := "#!/bin/sh\n[ \"$1\" = build ] && shift\nexec " + kubectl + " kustomize \"$@\"\n"
	return os.WriteFile(filepath.Join(a.dir, "bin", "kustomize"), []byte(kustomize), 0o700)
}

func (a *argo) start() error {
	return errors.Join(
		a.run("redis", "redis-server",
			"--bind", "127.0.0.1", "--port", redisPort, "--save", "", "--appendonly", "no", "--dir", a.dir),
		a.run("repo-server", a.binary, "argocd-repo-server",
			"--address=127.0.0.1", "--port="+repoPort, "--disable-tls", "--client-ca-path=",
			"--metrics-address=127.0.0.1", "--metrics-port="+repoMetricsPort,
			"--redis=127.0.0.1:"+redisPort, "--logformat=text"),
		a.startController(),
	)
}

// startController starts it again, too.
func (a *argo) startController() error {
	return a.run("controller", a.binary, "argocd-application-controller",
		"--kubeconfig="+a.kubeconfig, "--namespace="+argoNamespace,
		"--repo-server=127.0.0.1:"+repoPort, "--repo-server-plaintext", "--redis=127.0.0.1:"+redisPort,
		"--metrics-port="+metricsPort, "--persist-resource-health", "--logformat=text")
}

func (a *argo) run(name, binary string, args ...string) error {
	log, err := os.OpenFile(a.log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, a.dir
	config := filepath.Join(a.dir, "config")
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(a.dir, "bin")+":"+os.Getenv("PATH"), "HOME="+a.dir, "TMPDIR="+filepath.Join(a.dir, "tmp"),
		"KUBECONFIG="+a.kubeconfig, "ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_GPG_ENABLED=false",
		"ARGOCD_APP_CONF_PATH="+config, "ARGOCD_TLS_DATA_PATH="+config+"/tls", "ARGOCD_SSH_DATA_PATH="+config+"/ssh",
		"ARGOCD_GPG_DATA_PATH="+config+"/gpg/source", "ARGOCD_GNUPGHOME="+config+"/gpg/keys",
		"ARGOCD_ASK_PASS_SOCK="+filepath.Join(a.dir, "ask-pass.sock"),
		"ARGOCD_PLUGINSOCKFILEPATH="+filepath.Join(a.dir, "plugins"),
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting Argo CD's %s: %w", name, err)
	}
	a.processes[name] = cmd
	return nil
}

func (a *argo) log(name string) string { return filepath.Join(a.dir, name+".log") }

func (a *argo) stop(name string) {
	cmd, running := a.processes[name]
	if !running {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // It fails only if the process has ended.
	_ = cmd.Wait()                          // It was told to end: how it ends says nothing.
	delete(a.processes, name)
}

func (a *argo) stopAll() {
	for _, name := range []string{"controller", "repo-server", "redis"} {
		a.stop(name)
	}
}
