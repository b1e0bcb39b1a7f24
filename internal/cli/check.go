package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/output"
	"github.com/bulwark-dev/bulwark/internal/printable"
)

// checkOptions are the flags of check.
type checkOptions struct {
	files, profiles, namespaceFiles, old []string
	namespace, as                        string
	namespaceGiven                       bool
	asGroups, protected, outputs         []string
	failOn, baseline, since, framework   string
	scanReports                          []string
	ignores                              string
	allowEmpty, strict, update, fix      bool
	cluster                              clusterOptions
}

func checkCommand(world *World) *cobra.Command {
	var o checkOptions
	command := &cobra.Command{
		Use:   "check -f FILES|DIRECTORIES|- --profile FILE",
		Short: "Say what the API server will answer to manifests",
		Long: `Hold manifests against SecurityProfiles, as the API server and the controllers that make pods will: Pod Security, the admission
policies, LimitRanges and quotas, and what weakens the baseline.

One profile governs each namespace of which no labels are known. Of several, labels decide, as in the cluster.

Exit codes: 0 clean, 2 findings at or above --fail-on, 1 an error: something could not be read or evaluated, or nothing was.`,
		Example: `  # A directory, by one profile
  kubectl posture check -f deploy/ --profile restricted.yaml

  # What kustomize or Helm makes
  kustomize build overlays/prod | kubectl posture check -f - --profile restricted.yaml
  helm template shop | kubectl posture check -f - --profile restricted.yaml

  # A table for people, and SARIF for code scanning
  kubectl posture check -f deploy/ --profile restricted.yaml -o table -o sarif=posture.sarif

  # By what governs the cluster of the current kubeconfig
  kubectl posture check -f deploy/ --from-cluster

  # What an update would be answered: what there is, and what it becomes
  kubectl get deployments -n shop -o yaml > live.yaml
  kubectl posture check -f deploy/ --profile restricted.yaml --old live.yaml

  # What Trivy or Grype has found in the images, by the profile's thresholds
  trivy image --format json --output web.json registry.example.com/web:1.2
  kubectl posture check -f deploy/ --profile restricted.yaml --scan-report web.json

  # Several profiles: the labels of namespaces decide
  kubectl posture check -f deploy/ --profile profiles/ --namespaces namespaces.yaml`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			o.namespaceGiven = command.Flags().Changed("namespace")
			return o.run(command.Context(), world)
		},
	}
	f := command.Flags()
	f.StringArrayVarP(
		&o.files,
		"filename",
		"f",
		nil,
		"a file or directory of manifests, or - for the standard input (repeatable)",
	)
	f.StringArrayVar(
		&o.profiles,
		"profile",
		nil,
		"a file or directory with SecurityProfiles (repeatable); those among the manifests count too",
	)
	o.cluster.add(f)
	f.StringArrayVar(
		&o.namespaceFiles,
		"namespaces",
		nil,
		"a file or directory with Namespaces, for their labels (repeatable)",
	)
	f.StringArrayVar(&o.old, "old", nil, "a file or directory with what there is already, to judge updates (repeatable)")
	f.StringArrayVar(
		&o.scanReports,
		"scan-report",
		nil,
		"a report of a scanner on images or files, statements of OpenVEX, or a directory with some: "+
			"Trivy's or Grype's JSON, SARIF (repeatable)",
	)
	f.StringVar(
		&o.ignores,
		"ignorefile",
		"",
		"a .trivyignore.yaml; without, the one in the directory is read along with scan reports",
	)
	f.StringVarP(&o.namespace, "namespace", "n", "default", "the namespace of objects that name none")
	f.StringVar(&o.as, "as", "kubernetes-admin", "the user who applies the manifests")
	f.StringArrayVar(&o.asGroups, "as-group", nil, "a group of that user (repeatable)")
	f.StringArrayVar(
		&o.protected,
		"protected-namespaces",
		nil,
		"names and globs of namespaces that no profile selects, as the operator's flag has them (repeatable)",
	)
	f.StringArrayVarP(
		&o.outputs,
		"output",
		"o",
		[]string{"table"},
		"FORMAT or FORMAT=FILE (repeatable): "+strings.Join(slices.Sorted(maps.Keys(output.Formats())), ", "),
	)
	f.StringVar(&o.failOn, "fail-on", string(check.Deny), "the weakest that fails the check: Deny, Warn or Audit")
	f.BoolVar(&o.allowEmpty, "allow-empty", false, "it is no error if nothing is evaluated")
	f.BoolVar(
		&o.strict,
		"strict",
		false,
		"it is an error if there are objects of unknown kinds, or that no profile governs, or no scan reports where a profile asks for some",
	)
	f.StringVar(&o.baseline, "baseline", "", "a file with findings that are known and do not count")
	f.BoolVar(
		&o.update,
		"update-baseline",
		false,
		"write the findings that count into the file of --baseline, and take out what is gone",
	)
	f.StringVar(&o.since, "changed-since", "", "report only what is in files that differ from this git commit")
	f.BoolVar(&o.fix, "fix", false, "mend in the files what can be mended with certainty, and check again")
	f.StringVar(
		&o.framework,
		"framework",
		"",
		"say on the standard error how many findings each section has: cis, nsa, pss or a file",
	)
	completeWords(command, "framework", []string{"cis", "nsa", "pss"})
	completeWords(command, "output", slices.Sorted(maps.Keys(output.Formats())))
	completeWords(command, "fail-on", []string{string(check.Deny), string(check.Warn), string(check.Audit)})
	return command
}

// completeWords has a shell complete a flag by some words.
func completeWords(command *cobra.Command, flag string, words []string) {
	if err := command.RegisterFlagCompletionFunc(
		flag,
		cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp),
	); err != nil {
		panic(err) // There is no such flag, which a test finds.
	}
}

// run checks, and writes what was found. What is wrong with one document keeps no other from being
// judged.
func (o *checkOptions) run(ctx context.Context, world *World) error {
	sinks, err := world.sinks(o.outputs)
	if err := errors.Join(err, o.valid()); err != nil {
		return err
	}
	report := &output.Report{Version: version(), FailOn: check.Action(o.failOn), Now: world.Now()}
	problems := o.find(ctx, world, report)
	problems = append(problems, o.narrow(ctx, world, report)...)
	if o.fix && len(problems) == 0 {
		problems = append(problems, withoutNil(o.fixAndRecheck(ctx, world, report))...)
	}
	problems = append(problems, o.complaints(report)...)
	for _, problem := range problems {
		report.Problems = append(report.Problems, messages(problem)...)
	}
	if err := world.write(sinks, report); err != nil {
		return errors.Join(append(problems, err)...)
	}
	switch {
	case len(problems) > 0:
		return errors.Join(problems...)
	case o.update:
		return world.updateRatchet(o.baseline, report)
	case report.Failing() > 0:
		return findingsError(report.Failing())
	}
	return nil
}

// valid is what is wrong with the flags.
func (o *checkOptions) valid() error {
	switch {
	case !slices.Contains(check.Actions(), check.Action(o.failOn)):
		return fmt.Errorf("--fail-on %s: it is one of Deny, Warn and Audit", o.failOn)
	case len(o.files) == 0:
		return errors.New("no manifests are named: give files or directories by -f, or -f - for the standard input")
	case slices.Contains(o.files, "-") && slices.Contains(o.scanReports, "-"):
		return errors.New("-f - and --scan-report -: only one of them can be on the standard input")
	case o.fix && slices.Contains(o.scanReports, "-"):
		return errors.New("--fix and --scan-report -: the report is read twice; give it as a file")
	case o.update && o.baseline == "":
		return errors.New("--update-baseline: name the file by --baseline")
	case o.fix && slices.Contains(o.files, "-"):
		return errors.New("--fix: what comes by -f - cannot be mended: name the files by -f")
	}
	return nil
}

func withoutNil(errs []error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// narrow leaves out what has not changed, and has what is known not count.
func (o *checkOptions) narrow(ctx context.Context, world *World, report *output.Report) []error {
	var errs []error
	if o.since != "" {
		changed, err := world.changedSince(ctx, o.since)
		if err != nil {
			return []error{err} // Without it, nothing is left out.
		}
		keepChanged(report, changed)
	}
	if o.baseline != "" && !o.update {
		known, err := world.readRatchet(o.baseline)
		if err != nil {
			return append(errs, err)
		}
		known.suppress(report, o.baseline)
	}
	if o.framework != "" {
		by, err := world.readFramework(o.framework)
		if err != nil {
			return append(errs, err)
		}
		if err := output.Groups(world.Err, groups(report, by)); err != nil {
			return append(errs, err)
		}
	}
	for _, note := range report.Notes {
		fmt.Fprintf(world.Err, "note: %s\n", printable.Line(note))
	}
	return errs
}

// find reads everything, has it judged, and fills the report.
func (o *checkOptions) find(ctx context.Context, world *World, report *output.Report) []error {
	given := world.split(o.files)
	profiles := world.readManifests(o.profiles)
	namespaces := world.readManifests(o.namespaceFiles)
	old := world.readManifests(o.old)
	problems := slices.Concat(given.problems, profiles.problems, namespaces.problems, old.problems)

	governing, _, errs := readProfiles(ctx, profiles.documents, documentsMentioning(given.sources, profileKind))
	problems = append(problems, errs...)
	if len(errs) > 0 && len(governing) == 0 {
		decode(given.sources) // What is wrong with manifests is said all the same.
		return append(problems, problemsOf(given.sources)...)
	}
	labelled, errs := readNamespaces(namespaces.documents)
	problems = append(problems, errs...)
	if o.cluster.wanted {
		profiles, namespaces, err := o.fromCluster(ctx, world)
		if err != nil {
			return append(problems, err)
		}
		governing, labelled = before(governing, profiles), append(namespaces, labelled...)
	}
	scans, errs := world.scanReports(o.scanReports, o.ignores)
	problems = append(problems, errs...)
	progress := world.begin(len(given.sources))
	result, err := check.Run(ctx, check.Input{
		Profiles:   governing,
		Manifests:  given.sources,
		Namespaces: labelled,
		Old:        old.documents,
		Namespace:  o.namespace,
		Protected:  o.protected,
		Judged:     progress.judged,
		User: &user.DefaultInfo{
			Name:   o.as,
			Groups: append(slices.Clone(o.asGroups), user.AllAuthenticated),
		},
		Scans: scans,
		Now:   world.Now(),
	})
	progress.end()
	problems = append(problems, problemsOf(given.sources)...)
	if result != nil {
		report.Evaluated, report.Ungoverned, report.Skipped = result.Evaluated, result.Ungoverned, result.Skipped
		report.Findings = world.placed(result.Results, slices.ContainsFunc(o.outputs, wantsEdits), o.fix)
		report.Sort()
		report.Notes = append(report.Notes, result.Notes...)
		if o.strict {
			problems = append(problems, asErrors(unscanned(result))...)
		} else {
			report.Notes = append(report.Notes, unscanned(result)...)
		}
	}
	if err != nil {
		problems = append(problems, err)
	}
	return problems
}

// fromCluster are the profiles and namespaces of the cluster. Objects that name no namespace are in
// that of the kubeconfig's context.
func (o *checkOptions) fromCluster(
	ctx context.Context,
	world *World,
) ([]v1alpha1.SecurityProfile, []corev1.Namespace, error) {
	reader := world.Cluster
	if reader == nil {
		var err error
		if reader, err = o.cluster.reader(); err != nil {
			return nil, nil, err
		}
		if !o.namespaceGiven {
			if o.namespace, err = o.cluster.namespace(); err != nil {
				return nil, nil, err
			}
		}
	}
	return ofCluster(ctx, reader)
}

// wantsEdits reports whether an output holds the edits that mend findings.
func wantsEdits(wanted string) bool { return wanted == "sarif" || strings.HasPrefix(wanted, "sarif=") }

// complaints are what is wrong with a check of which each part went well.
func (o *checkOptions) complaints(report *output.Report) []error {
	var errs []error
	if o.strict {
		for _, kind := range slices.Sorted(maps.Keys(report.Skipped)) {
			errs = append(
				errs,
				fmt.Errorf("%d objects of the unknown kind %s were skipped (--strict)", report.Skipped[kind], kind),
			)
		}
		if report.Ungoverned > 0 {
			errs = append(
				errs,
				fmt.Errorf("%d objects are in no namespace that a profile governs (--strict)", report.Ungoverned),
			)
		}
	}
	if report.Evaluated == 0 && !o.allowEmpty {
		errs = append(errs, errors.New("nothing was evaluated: no object is in a namespace that a profile governs; "+
			"see the profile's namespaceSelector and excludeNamespaces, or give --allow-empty"))
	}
	return errs
}

func asErrors(messages []string) []error {
	var errs []error
	for _, words := range messages {
		errs = append(errs, errors.New(words+" (--strict)"))
	}
	return errs
}
