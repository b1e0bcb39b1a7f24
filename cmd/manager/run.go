package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/release"
)

// run runs the operator as the arguments say until the context ends.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	logf.SetLogger(o.Logger)
	klog.SetLogger(o.Logger.WithName("client-go"))
	cfg, err := config.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	return operator.Run(ctx, cfg, o)
}

// parse is what the arguments say.
func parse(args []string, stderr io.Writer) (operator.Options, error) {
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(stderr)
	config.RegisterFlags(flags)
	o := operator.Options{Registry: metrics.Registry}
	flags.IntVar(
		&o.Concurrency,
		"concurrency",
		32,
		"how many namespaces a roll-out works on at a time; a quarter as many more, at least one, are left for corrections and new namespaces",
	)
	flags.StringVar(&o.Namespace, "namespace", v1alpha1.OperatorNamespace,
		"the operator's own namespace, which holds its Lease and which no profile selects")
	protected := flags.String(
		"protected-namespaces",
		"",
		"names or globs of namespaces that no profile selects, separated by commas, beside kube-system, kube-public, kube-node-lease and the operator's own",
	)
	flags.BoolVar(&o.LeaderElection, "leader-elect", true, "elect a leader, so that several replicas can run")
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8443",
		"where metrics are served, over TLS, to whom the API server authenticates and authorizes; 0 is nowhere")
	flags.StringVar(
		&o.HealthAddress,
		"health-probe-bind-address",
		":8081",
		"where /healthz and /readyz are served; 0 is nowhere",
	)
	flags.StringVar(
		&o.PprofAddress,
		"pprof-bind-address",
		"0",
		"where the Go runtime's profiles are served, without TLS and to anybody who can reach it, so best on loopback; 0 is nowhere",
	)
	findings := flags.Bool(
		"findings",
		true,
		"look for what weakens baselines though Bulwark does not own it, as profiles say under spec.findings",
	)
	flags.BoolVar(
		&o.OpenReports,
		"openreports",
		false,
		"write each NamespacePosture as a Report of openreports.io too, where its CRD is installed",
	)
	o.Contest = contention.DefaultSettings()
	flags.IntVar(
		&o.Contest.Threshold,
		"contest-threshold",
		o.Contest.Threshold,
		"how many corrections of the same field within --contest-window make it contested",
	)
	flags.DurationVar(&o.Contest.Window, "contest-window", o.Contest.Window, "how long a correction counts")
	flags.DurationVar(
		&o.Contest.MinDelay,
		"contest-min-delay",
		o.Contest.MinDelay,
		"how long the first contested correction waits; each further one waits twice as long",
	)
	flags.DurationVar(
		&o.Contest.MaxDelay,
		"contest-max-delay",
		o.Contest.MaxDelay,
		"how long a contested correction waits at most",
	)
	flags.DurationVar(
		&o.RemovalDelay,
		"removal-delay",
		release.DefaultRemovalDelay,
		"how long a namespace must have been selected by no profile before its baseline is taken away; the deletion of a profile does not wait",
	)
	flags.DurationVar(&o.JoinGrace, "join-grace", posture.DefaultJoinGrace,
		"how long a namespace that joins a profile may take to become ready before the profile is not Ready for it")
	logFormat := flags.String("log-format", "json", "json or text")
	logLevel := flags.String("log-level", "info", "debug, info or error")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.Concurrency < 1 {
		return o, fmt.Errorf("--concurrency must be at least 1, not %d", o.Concurrency)
	}
	if err := o.Contest.Validate(); err != nil {
		return o, err
	}
	if o.JoinGrace <= 0 {
		return o, fmt.Errorf("--join-grace must be longer than 0, not %s", o.JoinGrace)
	}
	if o.RemovalDelay <= 0 {
		return o, fmt.Errorf("--removal-delay must be longer than 0, not %s", o.RemovalDelay)
	}
	o.NoFindings = !*findings
	o.ProtectedNamespaces = strings.FieldsFunc(*protected, func(r rune) bool { return r == ',' || r == ' ' })
	logger, err := newLogger(*logFormat, *logLevel, stderr)
	if err != nil {
		return o, err
	}
	o.Logger = zap.New(logger...)
	return o, nil
}

// newLogger are the options of a logger of the given format and level.
func newLogger(format, level string, to io.Writer) ([]zap.Opts, error) {
	parsed, known := map[string]zapcore.Level{
		"debug": zapcore.DebugLevel, "info": zapcore.InfoLevel, "error": zapcore.ErrorLevel,
	}[level]
	if !known { // Beyond error, the operator would be silent on whatever goes wrong.
		return nil, fmt.Errorf("--log-level must be debug, info or error, not %q", level)
	}
	options := []zap.Opts{zap.WriteTo(printableLines{to}), zap.Level(parsed), zap.StacktraceLevel(zapcore.PanicLevel)}
	switch format {
	case "json":
		return append(options, zap.JSONEncoder()), nil
	case "text":
		return append(options, zap.ConsoleEncoder()), nil
	}
	return nil, fmt.Errorf("--log-format must be json or text, not %q", format)
}
