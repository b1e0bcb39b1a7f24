package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// options are the sizes of a run. The defaults are those that the figures are given for.
type options struct {
	// Out is the folder for the results.
	Out string `json:"-"`
	// Only are the scenarios to run; all, if there are none.
	Only []string `json:"only,omitempty"`
	// Operator is the operator's binary.
	Operator string `json:"-"`
	// OperatorArgs are further arguments of the operator.
	OperatorArgs []string `json:"operatorArgs,omitempty"`
	// Namespaces is how many are onboarded in one round.
	Namespaces int `json:"namespaces"`
	// Rounds is how often the operator and the floor take turns at onboarding.
	Rounds int `json:"rounds"`
	// Drifts is how many times the baseline is tampered with, one at a time.
	Drifts int `json:"drifts"`
	// Failovers is how many leaders are killed.
	Failovers int `json:"failovers"`
	// Pods is how many are created to measure each figure of admission.
	Pods int `json:"pods"`
	// Scale are the numbers of namespaces at which restarts and memory are measured, growing.
	Scale []int `json:"scale"`
	// Restarts is how often the operator is restarted at each of them.
	Restarts int `json:"restarts"`
	// Foreign is how many ConfigMaps, how many Secrets and how many NetworkPolicies others keep.
	Foreign int `json:"foreign"`
	// Hostile is how many MiB of objects tenants write that bear Bulwark's label.
	Hostile int `json:"hostile"`
	// Plugin is the kubectl plugin's binary, and Peers the folder of those that it is held against.
	Plugin string `json:"-"`
	Peers  string `json:"-"`
	// Manifests is how many the plugin judges at once, and Deployments how many it and its peers
	// do.
	Manifests   int `json:"manifests"`
	Deployments int `json:"deployments"`
	// Rest is how long writes are counted at rest.
	Rest time.Duration `json:"rest"`
}

func parseOptions(args []string, out io.Writer) (*options, error) {
	o := &options{Scale: []int{1000, 5000, 10000}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(
		&o.Out,
		"out",
		filepath.Join(controlplane.Root(), "bin", "bench-results"),
		"the folder for the results",
	)
	flags.Func(
		"only",
		"the scenarios to run, separated by commas: "+strings.Join(names(scenarios()), ", ")+" (default all)",
		o.setOnly,
	)
	flags.StringVar(&o.Operator, "operator", controlplane.OperatorBinary(), "the operator's binary")
	flags.Func("operator-args", "further arguments of the operator, separated by spaces", func(s string) error {
		o.OperatorArgs = strings.Fields(s)
		return nil
	})
	flags.IntVar(&o.Namespaces, "namespaces", 1000, "how many namespaces are onboarded in one round")
	flags.IntVar(&o.Rounds, "rounds", 4, "how often the operator and the floor take turns at onboarding")
	flags.IntVar(&o.Drifts, "drifts", 1000, "how many times the baseline is tampered with, one at a time")
	flags.IntVar(&o.Failovers, "failovers", 3, "how many leaders are killed")
	flags.IntVar(&o.Pods, "pods", 1000, "how many pods are created with admission policies in force, and as many without")
	flags.Func(
		"scale",
		"the numbers of namespaces at which restarts and memory are measured (default 1000,5000,10000)",
		o.setScale,
	)
	flags.IntVar(&o.Restarts, "restarts", 3, "how often the operator is restarted at each of them")
	flags.IntVar(
		&o.Foreign,
		"foreign",
		50000,
		"how many foreign ConfigMaps, Secrets and NetworkPolicies there are, of each",
	)
	flags.IntVar(&o.Hostile, "hostile", 1024, "how many MiB of objects tenants write that bear Bulwark's label")
	flags.StringVar(
		&o.Plugin,
		"plugin",
		filepath.Join(controlplane.Root(), "bin", "kubectl-posture"),
		"the kubectl plugin's binary",
	)
	flags.StringVar(
		&o.Peers,
		"peers",
		filepath.Join(controlplane.Root(), "bin", "peers"),
		"the folder of the binaries that check is held against",
	)
	flags.IntVar(&o.Manifests, "manifests", 10000, "how many manifests the plugin judges at once")
	flags.IntVar(&o.Deployments, "deployments", 1000, "how many Deployments the plugin and its peers judge")
	flags.DurationVar(&o.Rest, "rest", 10*time.Minute, "how long writes are counted at rest")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if min(o.Namespaces, o.Rounds, o.Drifts, o.Failovers, o.Pods, o.Restarts, o.Hostile, o.Manifests, o.Deployments) < 1 {
		return nil, errors.New(
			"-namespaces, -rounds, -drifts, -failovers, -pods, -restarts, -hostile, -manifests and -deployments must be at least 1",
		)
	}
	return o, nil
}

func (o *options) setOnly(list string) error {
	known := names(scenarios())
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(known, name) {
			return fmt.Errorf("no scenario is named %q", name)
		}
		o.Only = append(o.Only, name)
	}
	return nil
}

func (o *options) setScale(list string) error {
	o.Scale = nil
	for field := range strings.SplitSeq(list, ",") {
		size, err := strconv.Atoi(field)
		if err != nil {
			return err
		}
		if size < 1 || len(o.Scale) > 0 && size <= o.Scale[len(o.Scale)-1] {
			return errors.New("the numbers must grow, from 1 on")
		}
		o.Scale = append(o.Scale, size)
	}
	return nil
}

func names(scenarios []scenario) []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}
