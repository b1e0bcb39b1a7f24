package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	// quietFor is how long nothing may be written before the next thing is measured.
	quietFor = 2 * time.Second
)

// cluster is a control plane with Bulwark installed, an administrator, the floor, and an operator
// that runs or does not.
type cluster struct {
	*bench
	plane     *controlplane.ControlPlane
	admin     client.Client
	clients   kubernetes.Interface // The administrator's, too.
	floor     *floor
	operator  *controlplane.Operator
	trail     *controlplane.AuditTrail // the operator's writes
	everybody *controlplane.AuditTrail // all writes
	batches   int                      // how many were made for want of namespaces
}

func (b *bench) startCluster(ctx context.Context) (*cluster, error) {
	b.say("  starting a control plane (usually 10 s)")
	if _, err := os.Stat(b.Operator); err != nil {
		return nil, fmt.Errorf("no operator: run make build: %w", err)
	}
	plane, err := controlplane.Start(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{bench: b, plane: plane}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) prepare(ctx context.Context) error {
	if err := c.plane.Install(ctx); err != nil {
		return err
	}
	var err error
	admin := breakingGlass(c.plane.Config)
	if c.admin, err = client.New(admin, client.Options{Scheme: operator.Scheme()}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if c.clients, err = kubernetes.NewForConfig(bare(admin)); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if c.floor, err = newFloor(ctx, c); err != nil {
		return err
	}
	c.trail, c.everybody = c.plane.AuditTrail(controlplane.OperatorUser), c.plane.WholeAuditTrail()
	return nil
}

// breakingGlass is the configuration of an administrator whom tamper protection does not hold.
// Whatever the bench tampers with it does as this one, the floor's objects too, so that both pay
// for the impersonation.
func breakingGlass(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: "bench", Groups: []string{"system:masters", fixture.BreakGlass}}
	return cfg
}

// bare is the configuration of a client that speaks protobuf and never waits.
func bare(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	cfg.UserAgent = "bench"
	cfg.ContentType = protobuf
	cfg.AcceptContentTypes = protobuf + ",application/json"
	return cfg
}

func (c *cluster) stop() error {
	c.stopOperator()
	return c.plane.Stop()
}

// stopOperator kills the operator, if one runs: nothing depends on how it ends.
func (c *cluster) stopOperator() {
	if c.operator != nil {
		c.operator.Kill()
		c.operator = nil
	}
}

// runOperator runs the only operator, unless it runs already, and waits until it has looked at
// everything and idles.
func (c *cluster) runOperator(ctx context.Context) error {
	if c.operator != nil {
		return nil
	}
	o, err := c.launch(ctx, "--leader-elect=false")
	if err != nil {
		return err
	}
	c.operator = o
	if err := c.ready(ctx, o); err != nil {
		return err
	}
	namespaces, err := c.countNamespaces(ctx)
	if err != nil {
		return err
	}
	return c.verified(ctx, o, namespaces)
}

// launch starts an operator, as its own ServiceAccount.
func (c *cluster) launch(ctx context.Context, args ...string) (*controlplane.Operator, error) {
	cfg, err := c.plane.OperatorConfig(ctx)
	if err != nil {
		return nil, err
	}
	return c.plane.StartOperator(c.Operator, cfg, append(args, c.OperatorArgs...)...)
}

// ready waits for /readyz.
func (c *cluster) ready(ctx context.Context, o *controlplane.Operator) error {
	return await(
		ctx,
		"the operator to be ready (see "+o.Log+")",
		2*time.Minute,
		10*time.Millisecond,
		func(context.Context) (bool, error) {
			return o.Ready(), stillRuns(o)
		},
	)
}

// verified waits until the operator has looked at every namespace at least once and has nothing
// left to do.
func (c *cluster) verified(ctx context.Context, o *controlplane.Operator, namespaces int) error {
	metrics, err := c.scraper(ctx, o)
	if err != nil {
		return err
	}
	defer metrics.close()
	what := fmt.Sprintf("the operator to look at %d namespaces (see %s)", namespaces, o.Log)
	return await(ctx, what, 5*time.Minute, 100*time.Millisecond, func(ctx context.Context) (bool, error) {
		m, err := metrics.scrape(ctx)
		if err != nil {
			return false, stillRuns(o) // The metrics are served a moment after the process has begun.
		}
		idle := m.idle("namespace", namespaces) && m.idle("admissionpolicy", 0) && m.idle("securityprofile", 0)
		return idle, stillRuns(o)
	})
}

// scraper reads an operator's metrics.
func (c *cluster) scraper(ctx context.Context, o *controlplane.Operator) (*scraper, error) {
	reader, err := c.plane.ServiceAccountConfig(ctx, floorNamespace, "floor") // It may read them.
	if err != nil {
		return nil, err
	}
	return newScraper(o.Metrics, reader.BearerToken), nil
}

func stillRuns(o *controlplane.Operator) error {
	select {
	case <-o.Ended():
		log, _ := os.ReadFile(o.Log) // Its last words, if they can be had.
		return fmt.Errorf("the operator has ended: …%s", log[max(0, len(log)-2000):])
	default:
		return nil
	}
}

func (c *cluster) countNamespaces(ctx context.Context) (int, error) {
	var list corev1.NamespaceList
	if err := c.admin.List(ctx, &list); err != nil {
		return 0, fmt.Errorf("counting namespaces: %w", err)
	}
	return len(list.Items), nil
}

// quiet waits until nobody has written anything for a while: neither the operator nor
// kube-controller-manager, which makes ServiceAccounts and counts quotas.
func (c *cluster) quiet(ctx context.Context) error {
	last, p := time.Now(), c.progress()
	return await(
		ctx,
		"nothing to be written for "+quietFor.String(),
		10*time.Minute,
		200*time.Millisecond,
		func(context.Context) (bool, error) {
			writes, err := c.everybody.Next()
			if err != nil {
				return false, err
			}
			if len(stored(writes)) > 0 {
				last = time.Now()
				p.at("waiting until nothing is written")
			}
			return time.Since(last) >= quietFor, nil
		},
	)
}

// use is what the operator and the API server have used so far.
func (c *cluster) use() (ofOperator, ofAPIServer usage, err error) {
	if c.operator != nil {
		if ofOperator, err = usageOf(c.operator.PID()); err != nil {
			return usage{}, usage{}, err
		}
	}
	pid, err := c.plane.PID("kube-apiserver")
	if err != nil {
		return usage{}, usage{}, err
	}
	ofAPIServer, err = usageOf(pid)
	return ofOperator, ofAPIServer, err
}
