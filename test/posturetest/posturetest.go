// Package posturetest runs Bulwark in the tests of others, on the API server that envtest starts,
// and has matchers for what such tests expect: that a request is refused by a rule, that an edit is
// drift, that a namespace is as its profile declares.
//
//	bulwark, err := posturetest.Start(env)
//	err = bulwark.Govern(ctx, "team-a", posturetest.Restricted("restricted"))
//	Expect(k8sClient.Create(ctx, pod)).To(posturetest.BeRefusedBy("readOnlyRootFilesystem"))
//
// docs/testing.md is its guide. It knows the operator, and what stands in for
// kube-controller-manager. It may import both and what they need, envtest, and of gomega the types.
// It must never import what runs on one operating system alone, nor fail a test by itself.
package posturetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controllermanager"
	"github.com/bulwark-dev/bulwark/test/framework/inprocess"
	"github.com/bulwark-dev/bulwark/test/framework/running"
)

// Operator is Bulwark's operator in the process of a test.
type Operator struct {
	// Client is the administrator's. It knows Bulwark's kinds beside Kubernetes'.
	Client client.Client

	operator *inprocess.Operator
	standIn  *running.Task
	env      *envtest.Environment // that Stop has to stop; nil if the caller has started it

	mu    sync.Mutex
	taken map[string]string // the version of the policies that the API server has taken up, by profile
}

// Option is an option of Start.
type Option func(*options)

type options struct{ log logr.Logger }

// LogTo says where the operator logs to. By default that is where controller-runtime does, which
// ctrl.SetLogger says.
func LogTo(log logr.Logger) Option {
	return func(o *options) { o.log = log }
}

// startTimeout bounds what Start does once the API server runs: it takes a second or two.
const startTimeout = time.Minute

// Start installs Bulwark in the API server of an environment of envtest, and starts the operator in
// this process. It starts the environment too, unless it has been started already. The operator
// works as the ServiceAccount, and with the permissions, that it has in a cluster. It opens no
// port, and needs no kube-controller-manager. The caller calls Stop.
func Start(env *envtest.Environment, opts ...Option) (*Operator, error) {
	o := options{log: logf.Log}
	for _, option := range opts {
		option(&o)
	}
	started := &Operator{taken: map[string]string{}}
	if env.Config == nil {
		if _, err := env.Start(); err != nil {
			err = withRemedy(err)
			if env.Config != nil { // The API server runs, and something after it has failed.
				err = errors.Join(err, env.Stop())
			}
			return nil, err
		}
		started.env = env
	}
	if err := started.start(env, o.log.WithName("bulwark")); err != nil {
		return nil, errors.Join(err, started.Stop())
	}
	return started, nil
}

func (o *Operator) start(env *envtest.Environment, log logr.Logger) error {
	if env.ControlPlane.APIServer == nil {
		return errors.New("posturetest installs Bulwark in the API server that envtest starts, and this environment uses " +
			"a cluster that is there already (UseExistingCluster, or USE_EXISTING_CLUSTER): unset that")
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var err error
	if o.Client, err = client.New(env.Config, client.Options{Scheme: operator.Scheme()}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := install(ctx, env.Config, o.Client); err != nil {
		return err
	}
	manager, err := env.AddUser(
		envtest.User{Name: controllermanager.User, Groups: []string{"system:masters"}}, &rest.Config{QPS: -1})
	if err != nil {
		return fmt.Errorf("making the user %s: %w", controllermanager.User, err)
	}
	if o.standIn, err = controllermanager.Start(ctx, manager.Config(), log.WithName("controller-manager")); err != nil {
		return fmt.Errorf("standing in for kube-controller-manager: %w", err)
	}
	cfg, err := operatorConfig(ctx, env.Config, o.Client)
	if err != nil {
		return err
	}
	o.operator = inprocess.Start(context.Background(), cfg, func(options *operator.Options) { options.Logger = log })
	return nil
}

// withRemedy says what to do where the binaries are missing that envtest runs.
func withRemedy(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("starting the environment: %w", err)
	}
	return fmt.Errorf("%w\nenvtest runs etcd and kube-apiserver: set KUBEBUILDER_ASSETS to the folder that they are in, "+
		"such as `setup-envtest use 1.37.x -p path` prints, or `make controlplane` of Bulwark fills", err)
}

// Stop stops the operator, waits for its end, and stops the environment too if Start has started
// it. It is the error by which the operator ended before, if it did.
func (o *Operator) Stop() error {
	var failures []error
	if o.operator != nil {
		failures = append(failures, o.operator.Stop())
	}
	if o.standIn != nil {
		failures = append(failures, o.standIn.Stop())
	}
	if o.env != nil {
		failures = append(failures, o.env.Stop())
		o.env = nil
	}
	return errors.Join(failures...)
}

// ended is the error that the operator does not run any more.
func (o *Operator) ended() error {
	select {
	case <-o.operator.Ended():
	default:
		return nil
	}
	if err := o.operator.Err(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the operator has ended: %w", err)
	}
	return errors.New("the operator was stopped")
}
