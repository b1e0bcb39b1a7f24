// Package controlplane runs a Kubernetes control plane on loopback for suites, the benchmark and
// the demo: etcd, kube-apiserver and kube-controller-manager, from KUBEBUILDER_ASSETS where that is
// set, else from what `make controlplane` built. It knows the processes, their files and the audit
// log. It may import envtest and client-go, and must never know a test, nor leave a process or a
// file behind.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// Version is the Kubernetes version that `make controlplane` builds.
const Version = "v1.37.2"

// controllers are those of kube-controller-manager that Bulwark works beside.
const controllers = "clusterrole-aggregation-controller,daemonset-controller,deployment-controller," +
	"garbage-collector-controller,job-controller,namespace-controller,replicaset-controller,replicationcontroller-controller," +
	"resourcequota-controller,serviceaccount-controller,statefulset-controller"

// typeChecker is the controller that holds the expressions of admission policies against the
// schemas of what they are about. Nothing waits for it, and it takes the most time of all.
const typeChecker = "validatingadmissionpolicy-status-controller"

// auditPolicy logs each write, once it is answered.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
`

// ExemptNamespace is the name of a namespace that the API server exempts from Pod Security.
const ExemptNamespace = "exempt-from-pod-security"

// admissionConfig exempts it.
const admissionConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    exemptions:
      namespaces: [` + ExemptNamespace + `]
`

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Config is that of its administrator.
	Config *rest.Config
	// Kubeconfig is the path of a file that holds the same.
	Kubeconfig string

	assets    string
	dir       string
	token     string            // the administrator's; empty is a certificate
	variables map[string]string // of the processes' environment, beside those of this process
	unchecked bool              // whether nobody checks the types in admission policies
	static    string            // the folder of admission policies by manifest; empty is none
	version   *version.Version  // that of the API server
	env       *envtest.Environment
	apiServer *exec.Cmd // since its first restart; before, it is the environment's
	etcd      *exec.Cmd // likewise
	manager   *exec.Cmd
	written   written
}

// Root is the root folder of the project.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Assets is the folder that the binaries are in.
func Assets() string {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return assets
	}
	return filepath.Join(Root(), "bin", "k8s", Version)
}

// Start starts the control plane. The caller stops it.
func Start(ctx context.Context, options ...Option) (*ControlPlane, error) {
	assets := Assets()
	if _, err := os.Stat(filepath.Join(assets, "kube-apiserver")); err != nil {
		return nil, fmt.Errorf("no control plane in %s: run make controlplane, or set KUBEBUILDER_ASSETS: %w", assets, err)
	}
	dir, err := os.MkdirTemp("", "bulwark-controlplane-")
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{
		assets:  assets,
		dir:     dir,
		written: written{trails: map[string]*AuditTrail{}, by: map[string][]Write{}},
	}
	for _, option := range options {
		option(c)
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *ControlPlane) start(ctx context.Context) error {
	if err := c.startAPIServer(); err != nil {
		return fmt.Errorf("starting etcd and kube-apiserver: %w", err)
	}
	if err := c.readVersion(); err != nil {
		return err
	}
	c.Kubeconfig = filepath.Join(c.dir, "admin.kubeconfig")
	if err := WriteKubeconfig(c.Kubeconfig, c.Config); err != nil {
		return err
	}
	if err := c.startControllerManager(); err != nil {
		return fmt.Errorf("starting kube-controller-manager: %w", err)
	}
	return c.waitForDefaultServiceAccount(ctx)
}

func (c *ControlPlane) startAPIServer() error {
	policy, admission := filepath.Join(c.dir, "audit-policy.yaml"), filepath.Join(c.dir, "admission.yaml")
	for file, content := range map[string]string{policy: auditPolicy, admission: admissionConfig + c.staticPlugin()} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return err
		}
	}
	c.env = &envtest.Environment{
		BinaryAssetsDirectory:    c.assets,
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	// A service account of each namespace is there, since kube-controller-manager runs: so
	// admission may want it.
	c.env.ControlPlane.Etcd = &envtest.Etcd{DataDir: c.etcdDir()}
	// Beyond 2 GiB etcd would refuse every write; the benchmark of hostile tenants comes near it.
	c.env.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", "8589934592")
	if err := os.Mkdir(c.env.ControlPlane.Etcd.DataDir, 0o700); err != nil {
		return err
	}
	c.env.ControlPlane.GetAPIServer().Configure().
		Set("disable-admission-plugins").
		Set("endpoint-reconciler-type", "none").
		Set("audit-policy-file", policy).
		Set("admission-control-config-file", admission).
		Set("audit-log-path", c.auditLog()).
		Set("audit-log-maxsize", "4096")
	if c.token != "" {
		path, err := c.tokenFile()
		if err != nil {
			return err
		}
		c.env.ControlPlane.GetAPIServer().Configure().Set("token-auth-file", path)
	}
	cfg, err := c.startEnvironment()
	if err != nil {
		return err
	}
	if c.token != "" {
		cfg = c.byToken(cfg)
	}
	cfg.QPS = -1
	c.Config = cfg
	return nil
}

func (c *ControlPlane) startControllerManager() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(c.dir, "kube-controller-manager.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	certs := c.env.ControlPlane.GetAPIServer().CertDir
	kubeconfig, err := c.managerKubeconfig()
	if err != nil {
		return err
	}
	c.manager = exec.Command(
		filepath.Join(c.assets, "kube-controller-manager"),
		"--kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(port),
		"--cert-dir="+c.dir,
		"--leader-elect=false",
		"--use-service-account-credentials", // Each controller is then who it is in a cluster, which tamper protection tells apart.
		"--controllers="+c.controllers(),
		"--service-account-private-key-file="+filepath.Join(certs, "sa-signer.key"),
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	)
	c.manager.Stdout, c.manager.Stderr = log, log
	c.manager.Env = c.environment()
	// It dies with the process that started it, also if that one is killed, and Ctrl-C is not for
	// it: it is told to end.
	c.manager.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	return c.manager.Start()
}

// waitForDefaultServiceAccount waits until kube-controller-manager is seen to work.
func (c *ControlPlane) waitForDefaultServiceAccount(ctx context.Context) error {
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := clients.CoreV1().ServiceAccounts(corev1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kube-controller-manager made no ServiceAccount (see its log in %s): %w", c.dir, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stop stops what was started, and removes its files.
func (c *ControlPlane) Stop() error {
	var failures []error
	if c.manager != nil && c.manager.Process != nil {
		failures = append(failures, c.manager.Process.Signal(syscall.SIGTERM))
		_ = c.manager.Wait() // It was told to end: how it ends says nothing.
	}
	if c.apiServer != nil {
		failures = append(failures, c.apiServer.Process.Signal(syscall.SIGTERM))
		_ = c.apiServer.Wait()
	}
	if c.etcd != nil {
		failures = append(failures, c.etcd.Process.Signal(syscall.SIGTERM))
		_ = c.etcd.Wait()
	}
	if c.env != nil {
		failures = append(failures, c.env.Stop())
	}
	return errors.Join(append(failures, os.RemoveAll(c.dir))...)
}

// Kubectl is the command to run kubectl as the administrator.
func (c *ControlPlane) Kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.assets, "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Dir = Root()
	return cmd
}

// Install installs the CRDs, the operator's namespace and its permissions: all of config/default
// but the Deployment, which nothing here would run.
func (c *ControlPlane) Install(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", "config/manager/namespace.yaml"},
		{"apply", "--server-side", "-k", "config/crd"},
		{"apply", "--server-side", "-k", "config/rbac"},
		{"wait", "--for=condition=Established", "crd", "-l", "!nothing", "--timeout=60s"},
	} {
		if out, err := c.Kubectl(ctx, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("kubectl %v: %w: %s", args, err, out)
		}
	}
	return nil
}

// tokenLifetime is longer than any test or benchmark runs. The API server would give an hour.
const tokenLifetime = 12 * time.Hour

// ServiceAccountConfig is the configuration of a client that is that ServiceAccount, by a token of
// its own that lasts for tokenLifetime.
func (c *ControlPlane) ServiceAccountConfig(ctx context.Context, namespace, name string) (*rest.Config, error) {
	return c.ServiceAccountConfigBy(ctx, c.Config, namespace, name)
}

// ServiceAccountConfigBy is the same, where somebody else than the administrator requests the
// token.
func (c *ControlPlane) ServiceAccountConfigBy(
	ctx context.Context,
	requester *rest.Config,
	namespace, name string,
) (*rest.Config, error) {
	clients, err := kubernetes.NewForConfig(requester)
	if err != nil {
		return nil, err
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: new(int64(tokenLifetime.Seconds())),
	}}
	token, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	cfg := rest.AnonymousClientConfig(c.Config)
	cfg.BearerToken = token.Status.Token
	return cfg, nil
}

func (c *ControlPlane) auditLog() string { return filepath.Join(c.dir, "audit.log") }

// WriteKubeconfig writes the configuration of a client as a kubeconfig.
func WriteKubeconfig(path string, cfg *rest.Config) error {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters["controlplane"] = &clientcmdapi.Cluster{
		Server: cfg.Host, CertificateAuthorityData: cfg.CAData,
	}
	kubeconfig.AuthInfos["user"] = &clientcmdapi.AuthInfo{
		ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData, Token: cfg.BearerToken,
	}
	kubeconfig.Contexts["controlplane"] = &clientcmdapi.Context{Cluster: "controlplane", AuthInfo: "user"}
	kubeconfig.CurrentContext = "controlplane"
	return clientcmd.WriteToFile(*kubeconfig, path)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
