package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

const warmUp = 50 // namespaces

// statusWindow is a second, less what the time stamps of two writes that are a second apart can be
// off.
const statusWindow = 950 * time.Millisecond

// standing are namespaces that the operator has onboarded.
type standing struct {
	*batch
	profile *v1alpha1.SecurityProfile
	next    int // the number of tamperings so far
}

// onboarding is one round of it.
type onboarding struct {
	took   time.Duration
	writes []controlplane.Write // the operator's, till all was quiet again
	// cpuOperator and cpuAPIServer are the seconds of CPU that each took.
	cpuOperator, cpuAPIServer float64
}

// onboard lets the floor and the operator take turns at onboarding batches of namespaces. They take
// turns at going first, too, so that a machine that becomes slower meanwhile is not always slower
// for the same one.
func (b *bench) onboard(ctx context.Context) error {
	c, err := b.sharedCluster(ctx)
	if err != nil {
		return err
	}
	b.say("  warm-up: %d namespaces each (usually 10 s)", warmUp)
	report, err := c.warmedUp(ctx)
	if err != nil {
		return err
	}
	operators, floors := make([]onboarding, b.Rounds), make([]onboarding, b.Rounds)
	for i := range b.Rounds {
		byFloor := func() (*onboarding, error) {
			return c.onboardByFloor(ctx, fmt.Sprintf("onboard-floor-%d", i+1), b.Namespaces, report)
		}
		byOperator := func() (*onboarding, error) { return c.onboardByOperator(ctx, operatorBatch(i+1), b.Namespaces) }
		turns := []turn{{"floor", byFloor, &floors[i]}, {"operator", byOperator, &operators[i]}}
		if i%2 == 1 {
			slices.Reverse(turns)
		}
		for _, t := range turns {
			c.stopOperator() // Each begins with none that has run before.
			o, err := t.onboard()
			if err != nil {
				return err
			}
			b.say(
				"  round %d of %d, %s: %s for %d namespaces",
				i+1,
				b.Rounds,
				t.by,
				o.took.Round(time.Millisecond),
				b.Namespaces,
			)
			*t.result = *o
		}
	}
	return b.judgeOnboarding(operators, floors)
}

// turn is one in a round.
type turn struct {
	by      string
	onboard func() (*onboarding, error)
	result  *onboarding
}

// operatorBatch is the name of the batch that the operator onboards in a round, and of the profile.
func operatorBatch(round int) string { return fmt.Sprintf("onboard-operator-%d", round) }

// warmedUp has both onboard a few namespaces, and returns one of the reports that the operator
// wrote.
func (c *cluster) warmedUp(ctx context.Context) (*unstructured.Unstructured, error) {
	if _, err := c.onboardByOperator(ctx, "warm-operator", warmUp); err != nil {
		return nil, err
	}
	report := &unstructured.Unstructured{}
	report.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NamespacePosture"))
	key := client.ObjectKey{Namespace: c.spare.namespaces[0], Name: v1alpha1.PostureName}
	if err := c.admin.Get(ctx, key, report); err != nil {
		return nil, fmt.Errorf("reading a report of the operator: %w", err)
	}
	_, err := c.onboardByFloor(ctx, "warm-floor", warmUp, report)
	return report, err
}

// onboardByOperator times the operator, which runs and idles, from the creation of the profile to
// its last write in the batch.
func (c *cluster) onboardByOperator(ctx context.Context, name string, size int) (*onboarding, error) {
	profile, err := restricted(name)
	if err != nil {
		return nil, err
	}
	batch, err := c.newBatch(ctx, name, size)
	if err != nil {
		return nil, err
	}
	if err := c.settled(ctx); err != nil {
		return nil, err
	}
	operator, apiServer, err := c.use()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.admin.Create(ctx, profile); err != nil {
		return nil, fmt.Errorf("creating profile %s: %w", name, err)
	}
	if err := c.awaitInPlace(ctx, name, size); err != nil {
		return nil, err
	}
	o, err := c.roundOf(ctx, began)
	if err != nil {
		return nil, err
	}
	operatorAfter, apiServerAfter, err := c.use()
	if err != nil {
		return nil, err
	}
	o.cpuOperator = operatorAfter.cpuSeconds - operator.cpuSeconds
	o.cpuAPIServer = apiServerAfter.cpuSeconds - apiServer.cpuSeconds
	c.spare = &standing{batch: batch, profile: profile}
	return o, nil
}

// settled lets the operator run, waits until all is quiet, and forgets the writes so far.
func (c *cluster) settled(ctx context.Context) error {
	if err := c.runOperator(ctx); err != nil {
		return err
	}
	if err := c.quiet(ctx); err != nil {
		return err
	}
	_, err := c.trail.Next()
	return err
}

// roundOf is a round that has just come to its end: its time by the audit log, and all writes, late
// ones too.
func (c *cluster) roundOf(ctx context.Context, began time.Time) (*onboarding, error) {
	writes, err := c.trail.Next()
	if err != nil {
		return nil, err
	}
	o := &onboarding{took: lastAt(of(writes, baselineWrite)).Sub(began), writes: writes}
	if err := c.quiet(ctx); err != nil {
		return nil, err
	}
	late, err := c.trail.Next()
	o.writes = append(o.writes, late...)
	return o, err
}

// onboardByFloor times the floor, while no operator runs, from its first write to its last answer.
func (c *cluster) onboardByFloor(
	ctx context.Context, name string, size int, report *unstructured.Unstructured,
) (*onboarding, error) {
	c.stopOperator()
	owner, err := c.owner(ctx, name)
	if err != nil {
		return nil, err
	}
	batch, err := c.newBatch(ctx, name, size)
	if err != nil {
		return nil, err
	}
	objects, reports := make([][]baseline.Object, size), make([][]byte, size)
	for i, namespace := range batch.namespaces {
		objects[i] = render(owner, namespace)
		if reports[i], err = copyOf(report, owner, namespace); err != nil {
			return nil, err
		}
	}
	_, before, err := c.use()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	err = parallel(ctx, workers, size, func(ctx context.Context, i int) error {
		for _, o := range objects[i] {
			if err := c.floor.establish(ctx, o); err != nil {
				return err
			}
		}
		return c.floor.createReport(ctx, batch.namespaces[i], reports[i])
	})
	took := time.Since(began)
	if err != nil {
		return nil, fmt.Errorf("onboarding by the floor: %w", err)
	}
	if err := c.quiet(ctx); err != nil {
		return nil, err
	}
	c.floor.spare, c.floor.owner = batch, owner
	_, after, err := c.use()
	return &onboarding{took: took, cpuAPIServer: after.cpuSeconds - before.cpuSeconds}, err
}

// atRest are namespaces that the operator has onboarded, on the shared control plane, while nothing
// is written.
func (b *bench) atRest(ctx context.Context) (*cluster, *standing, error) {
	c, err := b.sharedCluster(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := c.onboarded(ctx, b.Namespaces, 0)
	if err != nil {
		return nil, nil, err
	}
	return c, s, c.settled(ctx)
}

// onboarded are namespaces that the operator has onboarded, at least so many and for at least so
// many tamperings more: the last round's, or if those do not do, new ones.
func (c *cluster) onboarded(ctx context.Context, size, tamperings int) (*standing, error) {
	if c.spare == nil || len(c.spare.namespaces) < size || c.spare.left() < tamperings {
		c.say("  onboarding %d namespaces (not timed)", size)
		c.batches++
		if _, err := c.onboardByOperator(ctx, fmt.Sprintf("standing-%d", c.batches), size); err != nil {
			return nil, err
		}
	}
	return c.spare, nil
}
