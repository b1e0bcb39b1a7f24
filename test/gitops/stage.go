package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const (
	argoNamespace = "argocd"
	// patience is longer than Argo CD's two minutes between its own looks and the minute that it adds
	// by chance: it does not notice that CRDs are established, and waits for the next look.
	patience = 4 * time.Minute
)

// cluster is the control plane, and what can be asked of it.
type cluster struct {
	plane  *controlplane.ControlPlane
	client client.Client
}

// stage is the running control plane, Argo CD and operator, and what was seen of them.
type stage struct {
	options
	cluster

	began    time.Time
	dir      string
	argo     *argo
	repo     *repository
	watch    *watcher
	operator *controlplane.Operator
	tenant   *tenant
	table    table
}

func (s *stage) open(ctx context.Context) (err error) {
	s.title("Starting a control plane and Argo CD %s (about 20 s)", s.version)
	if s.dir, err = os.MkdirTemp("", "bulwark-argocd-"); err != nil {
		return err
	}
	if s.plane, err = controlplane.Start(ctx); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	if s.client, err = client.New(s.plane.Config, client.Options{}); err != nil {
		return err
	}
	if err := s.installArgo(ctx); err != nil {
		return err
	}
	if s.repo, err = newRepository(ctx, filepath.Join(s.dir, "repository")); err != nil {
		return err
	}
	if s.watch, err = newWatcher(s.plane.Config); err != nil {
		return err
	}
	s.watch.start(ctx, applications)
	if s.argo, err = newArgo(ctx, s.argocd, s.module, filepath.Join(s.dir, "argocd"), s.plane); err != nil {
		return err
	}
	return s.argo.start()
}

// argoParts are the folders of Argo CD's own manifests that a controller and a repo-server need.
var argoParts = []string{
	"crds", "base/config", "base/application-controller-roles", "cluster-rbac/application-controller",
}

// argoInstall has config/argocd beside them, as docs/gitops.md says.
const argoInstall = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: argocd
resources: [crds, base/config, base/application-controller-roles, cluster-rbac/application-controller]
components: [bulwark]
`

const defaultProject = `apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: default, namespace: argocd}
spec:
  sourceRepos: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
`

func (s *stage) installArgo(ctx context.Context) error {
	install := filepath.Join(s.dir, "install")
	for _, part := range argoParts {
		if err := os.CopyFS(filepath.Join(install, part), os.DirFS(filepath.Join(s.module, "manifests", part))); err != nil {
			return fmt.Errorf("reading the manifests of Argo CD: %w", err)
		}
	}
	component := os.DirFS(filepath.Join(controlplane.Root(), "config", "argocd"))
	if err := os.CopyFS(filepath.Join(install, "bulwark"), component); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(install, "kustomization.yaml"), []byte(argoInstall), 0o600); err != nil {
		return err
	}
	err := errors.Join(
		s.kubectl(ctx, "", "create", "namespace", argoNamespace),
		s.kubectl(ctx, "", "apply", "--server-side", "-k", install),
	)
	if err != nil {
		return err
	}
	// kubectl wait fails on a CRD that has no conditions yet, so the project itself is tried.
	s.until(ctx, func() bool {
		err = s.apply(ctx, defaultProject)
		return err == nil
	})
	return err
}

// startOperator runs the operator beside the Deployment, which has no node to run on.
func (s *stage) startOperator(ctx context.Context) error {
	cfg, err := s.plane.OperatorConfig(ctx)
	if err != nil {
		return err
	}
	s.operator, err = s.plane.StartOperator(controlplane.OperatorBinary(), cfg, "--protected-namespaces="+argoNamespace)
	if err != nil {
		return fmt.Errorf("%w (make build)", err)
	}
	if !s.until(ctx, s.operator.Ready) {
		return fmt.Errorf("the operator is not ready: see %s", s.operator.Log)
	}
	s.watch.start(ctx, profiles)
	return nil
}

func (s *stage) close() error {
	var failures []error
	if s.argo != nil {
		s.argo.stopAll()
	}
	if s.operator != nil {
		failures = append(failures, s.operator.Terminate())
	}
	if s.plane != nil {
		failures = append(failures, os.RemoveAll(s.logs), s.plane.KeepLogs(s.logs))
		if s.argo != nil {
			failures = append(failures, controlplane.CopyLogs(s.argo.dir, s.logs))
		}
		failures = append(failures, s.plane.Stop())
	}
	return errors.Join(append(failures, os.RemoveAll(s.dir))...)
}

// heading tells of what the table was seen.
func (s *stage) heading() string {
	return fmt.Sprintf("%s: Argo CD %s, Kubernetes %s, drift for %s, %s in all.",
		s.began.UTC().Format(time.DateOnly), s.version, controlplane.Version, s.drift,
		time.Since(s.began).Round(time.Second))
}

func (s *stage) title(format string, args ...any) {
	fmt.Printf("\n%s == %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// until asks until it is so. It reports false when that takes too long.
func (c *cluster) until(ctx context.Context, good func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !good() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(250 * time.Millisecond):
		}
	}
	return true
}

// rest waits, so that something has time to happen that should not.
func (c *cluster) rest(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}

func (c *cluster) apply(ctx context.Context, manifest string) error {
	return c.kubectl(ctx, manifest, "apply", "--server-side", "--force-conflicts", "-f", "-")
}

func (c *cluster) kubectl(ctx context.Context, input string, args ...string) error {
	cmd := c.plane.Kubectl(ctx, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return nil
}
