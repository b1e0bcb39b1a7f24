package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// settle is how long after it has looked at everything the operator's memory is read.
const settle = 10 * time.Second

// restart is what is measured of one.
type restart struct {
	synced, verified float64 // seconds since the process began
	resident, peak   float64 // bytes
	cpu              float64 // seconds, till all was verified
	writes, calls    float64
	apiServer, etcd  float64 // bytes
}

// withoutLease is said of every figure of a restart.
const withoutLease = "without leader election; a killed leader's Lease adds up to 15 s"

// scaleStep restarts the operator several times, makes figures of that, and returns the median of
// the resident memory. At the last and largest step, figures have bounds.
func (c *cluster) scaleStep(ctx context.Context, size, foreign, count int, last bool) (float64, error) {
	var restarts []restart
	for i := range count {
		r, err := c.restart(ctx)
		if err != nil {
			return 0, err
		}
		c.say("  restart %d of %d with %d namespaces: synced in %s s, verified in %s s, %s MiB",
			i+1, count, size, number(r.synced), number(r.verified), number(r.resident/mebibyte))
		c.results.sample(fmt.Sprintf("Restart/namespaces=%d/foreign=%d/by=operator", size, foreign),
			measure{r.synced, "synced-sec/op"}, measure{r.verified, "verified-sec/op"}, measure{r.cpu, "operator-cpu-sec/op"},
			measure{r.resident, "resident-B"}, measure{r.peak, "peak-B"}, measure{r.writes, "writes/op"},
			measure{r.apiServer, "apiserver-B"}, measure{r.etcd, "etcd-B"})
		restarts = append(restarts, *r)
	}
	return c.judgeRestarts(restarts, size, foreign, last), nil
}

// restart kills the operator and starts it again.
func (c *cluster) restart(ctx context.Context, args ...string) (*restart, error) {
	namespaces, err := c.countNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	c.stopOperator()
	if err := c.quiet(ctx); err != nil {
		return nil, err
	}
	if _, err := c.trail.Next(); err != nil {
		return nil, err
	}
	r, began := &restart{}, time.Now()
	if c.operator, err = c.launch(ctx, append(args, "--leader-elect=false")...); err != nil {
		return nil, err
	}
	if err := c.ready(ctx, c.operator); err != nil {
		return nil, err
	}
	r.synced = time.Since(began).Seconds()
	if err := c.verified(ctx, c.operator, namespaces); err != nil {
		return nil, err
	}
	r.verified = time.Since(began).Seconds()
	return r, c.inspect(ctx, r)
}

// inspect reads what the processes have come to use, and what the operator has written.
func (c *cluster) inspect(ctx context.Context, r *restart) error {
	operator, apiServer, err := c.use()
	if err != nil {
		return err
	}
	r.cpu, r.apiServer = operator.cpuSeconds, apiServer.resident
	if r.calls, err = c.calls(ctx, c.operator); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	resident, peak, err := c.operator.ResidentMemory()
	if err != nil {
		return err
	}
	r.resident, r.peak = float64(resident), float64(peak)
	pid, err := c.plane.PID("etcd")
	if err != nil {
		return err
	}
	etcd, err := usageOf(pid)
	if err != nil {
		return err
	}
	r.etcd = etcd.resident
	writes, err := c.trail.Next()
	r.writes = float64(len(stored(writes)))
	return err
}

// calls is how many calls the operator has made, watches included.
func (c *cluster) calls(ctx context.Context, o *controlplane.Operator) (float64, error) {
	metrics, err := c.scraper(ctx, o)
	if err != nil {
		return 0, err
	}
	defer metrics.close()
	m, err := metrics.scrape(ctx)
	if err != nil {
		return 0, err
	}
	return m.total("rest_client_requests_total"), nil
}

// judgeRestarts makes the figures of one step.
func (c *cluster) judgeRestarts(restarts []restart, size, foreign int, last bool) (resident float64) {
	medianOf := func(value func(restart) float64) float64 {
		var values []float64
		for _, r := range restarts {
			values = append(values, value(r))
		}
		return median(values)
	}
	resident = medianOf(func(r restart) float64 { return r.resident })
	writes := 0.0
	for _, r := range restarts {
		writes += r.writes
	}
	at := fmt.Sprintf("restart at %d, ", size)
	written := figure{Name: at + "writes", Value: writes}.must(atMost, 0, 0).because("in %d restarts", len(restarts))
	if foreign < c.Foreign { // The rest counts beside the foreign objects, and they come next.
		written.Note += ", before there were foreign objects"
		c.results.figure(written)
		return resident
	}
	synced := information(at+"to synced", medianOf(func(r restart) float64 { return r.synced }), "s").because(withoutLease)
	verified := information(at+"to verified", medianOf(func(r restart) float64 { return r.verified }), "s").because(
		"median of %d; %s s of CPU; %s", len(restarts), number(medianOf(func(r restart) float64 { return r.cpu })), withoutLease)
	memory := information(fmt.Sprintf("memory at %d, after restart", size), resident/mebibyte, "MiB").because(
		"peak %s MiB; API server %s MiB, etcd %s MiB", number(medianOf(func(r restart) float64 { return r.peak })/mebibyte),
		number(medianOf(func(r restart) float64 { return r.apiServer })/mebibyte),
		number(medianOf(func(r restart) float64 { return r.etcd })/mebibyte))
	if last {
		verified = verified.must(atMost, 20, 10)
	}
	c.results.figure(synced)
	c.results.figure(verified)
	c.results.figure(memory)
	c.results.figure(written)
	return resident
}
