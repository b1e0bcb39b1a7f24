// Command gitops lets a real Argo CD sync Bulwark and its profiles on a control plane of its own:
// make argocd. It holds what Argo CD and the cluster then say against what docs/gitops.md says, row
// by row, and ends with status 0 only if every row is as expected. It knows Argo CD by its
// processes and its API objects, may import test/framework and the API, and must never import Argo
// CD or the operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// options are the flags.
type options struct {
	argocd  string
	module  string
	version string
	drift   time.Duration
	docs    string
	logs    string
}

func main() {
	logf.SetLogger(logr.Discard())
	var o options
	root := controlplane.Root()
	flag.StringVar(&o.argocd, "argocd", filepath.Join(root, "bin", "argocd"), "the binary of Argo CD")
	flag.StringVar(&o.module, "module", "", "the folder of Argo CD's module")
	flag.StringVar(&o.version, "version", "", "Argo CD's version, for the table")
	flag.DurationVar(&o.drift, "drift", 10*time.Minute, "how long a tenant makes drift")
	flag.StringVar(&o.docs, "docs", "", "the document that the table is written into; empty is none")
	flag.StringVar(&o.logs, "logs", filepath.Join(root, "bin", "argocd-logs"), "where the logs of a run are kept")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "argocd:", err)
		os.Exit(1)
	}
}

// run tells the story. An act that ends with an error ends the story: what is left of it would say
// nothing.
func run(ctx context.Context, o options) (err error) {
	s := &stage{options: o, began: time.Now()}
	defer func() { err = errors.Join(err, s.close()) }()
	// The API server does not end while the story watches it.
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context, *stage) error{
		installsTheOperator, syncsProfilesInFourWays, startDrift, leavesTheBaselineAlone, prunes, deletesApplications,
		createsNamespaces, hasNamespacesInGit, hasWorkloadsInGit, contests, endsDrift, tracksByLabel,
		installsTheChart, syncsTheSamples, impersonates,
	} {
		if err := act(ctx, s); err != nil {
			return errors.Join(fmt.Errorf("the story ended early: %w", err), s.table.write(s.heading(), ""))
		}
	}
	if err := s.table.write(s.heading(), o.docs); err != nil {
		return err
	}
	return s.table.failure()
}
