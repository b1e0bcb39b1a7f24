// Command bench measures Bulwark on a control plane of its own, against the floor of a bare client
// that makes the same writes: make bench. It prints a table and writes the results as JSON and as
// text for benchstat, under a name by time and commit. It ends with status 0 only if every figure
// is as good as it must be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

func main() {
	logf.SetLogger(logr.Discard()) // The bench's own clients have nothing to say.
	if len(os.Args) == 3 && os.Args[1] == decodeCommand {
		if err := decodeManifests(os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scenario is one thing that is measured.
type scenario struct {
	name string
	run  func(*bench, context.Context) error
}

// scenarios are all of them, in their order. Three have a control plane of their own, and check has
// none; the others share one.
func scenarios() []scenario {
	return []scenario{
		{"onboard", (*bench).onboard},
		{"change", (*bench).change},
		{"drift", (*bench).drift},
		{"rollout", (*bench).rollout},
		{"failover", (*bench).failover},
		{"findings", (*bench).findings},
		{"admission", (*bench).admission},
		{"scale", (*bench).scale},
		{"hostile", (*bench).hostile},
		{"check", (*bench).check},
	}
}

// bench is one run.
type bench struct {
	options
	out     io.Writer
	began   time.Time
	results results

	shared *cluster  // the control plane of all scenarios but the last three
	spare  *standing // the namespaces that were onboarded last
}

// run runs the scenarios that are asked for. One that fails does not keep the others from being
// run, nor what was measured from being written.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	b := &bench{options: *o, out: out, began: time.Now()}
	b.results = results{Began: b.began.UTC(), Machine: thisMachine(ctx), Options: *o}
	var failures []error
	for _, s := range scenarios() {
		if len(b.Only) > 0 && !slices.Contains(b.Only, s.name) {
			continue
		}
		b.say("%s", s.name)
		if err := s.run(b, ctx); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
			b.say("%s failed: %v", s.name, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	failures = append(
		failures,
		b.closeShared(),
		b.results.write(b.Out),
		b.results.print(out),
		b.results.printPaths(out, b.Out),
	)
	return errors.Join(append(failures, b.results.missed())...)
}

// say prints a line of progress, with the time since the start.
func (b *bench) say(format string, args ...any) {
	elapsed := time.Since(b.began).Round(time.Second)
	fmt.Fprintf(b.out, "%7s  %s\n", elapsed, fmt.Sprintf(format, args...))
}

// sharedCluster is the control plane that scenarios share, started when the first of them wants it.
func (b *bench) sharedCluster(ctx context.Context) (*cluster, error) {
	if b.shared == nil {
		c, err := b.startCluster(ctx)
		if err != nil {
			return nil, err
		}
		b.shared = c
	}
	return b.shared, nil
}

func (b *bench) closeShared() error {
	if b.shared == nil {
		return nil
	}
	c := b.shared
	b.shared, b.spare = nil, nil
	return c.stop()
}
