package upgrade

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// release is a version of Bulwark: a checkout, with the operator built.
type release struct{ folder, binary string }

// present is this checkout.
func present() release {
	return release{folder: controlplane.Root(), binary: controlplane.OperatorBinary()}
}

func (r release) path(elements ...string) string {
	return filepath.Join(append([]string{r.folder, "config"}, elements...)...)
}

// apply applies a part of the release as the guide says.
func (r release) apply(ctx context.Context, plane *controlplane.ControlPlane, part string) error {
	how := "-k"
	if filepath.Ext(part) != "" {
		how = "-f"
	}
	_, err := kubectl(ctx, plane, "apply", "--server-side", how, r.path(part))
	return err
}

func kubectl(ctx context.Context, plane *controlplane.ControlPlane, args ...string) (string, error) {
	out, err := plane.Kubectl(ctx, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return string(out), nil
}

// replicas are how many operators the manifests run.
const replicas = 2

// run runs one replica with the flags of the manifests.
func (r release) run(ctx context.Context, plane *controlplane.ControlPlane) (*controlplane.Operator, error) {
	cfg, err := plane.OperatorConfig(ctx)
	if err != nil {
		return nil, err
	}
	return plane.StartOperator(r.binary, cfg, "--namespace=bulwark-system")
}

// start runs one replica, and waits until it is ready.
func (r release) start(ctx context.Context, plane *controlplane.ControlPlane) (*controlplane.Operator, error) {
	operator, err := r.run(ctx, plane)
	if err != nil {
		return nil, err
	}
	return operator, eventually(ctx, time.Minute, func() error {
		select {
		case <-operator.Ended():
			return fmt.Errorf("the operator ended: see %s", operator.Log)
		default:
		}
		if !operator.Ready() {
			return errors.New("the operator is not ready")
		}
		return nil
	})
}

// roll replaces the running replicas as a Deployment does: one more is started, and once it is ready
// one of the former is stopped.
func (r release) roll(
	ctx context.Context, plane *controlplane.ControlPlane, former []*controlplane.Operator,
) ([]*controlplane.Operator, error) {
	var now []*controlplane.Operator
	for i := range replicas {
		operator, err := r.start(ctx, plane)
		if err != nil {
			return now, err
		}
		now = append(now, operator)
		if i < len(former) {
			if err := former[i].Terminate(); err != nil {
				return now, err
			}
		}
	}
	return now, nil
}

// eventually waits until something is no error any more.
func eventually(ctx context.Context, timeout time.Duration, condition func() error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", timeout, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
