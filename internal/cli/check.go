package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/user"

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

// run checks, and writes what was found. A fault in one document keeps no other from being judged.
func (o *checkOptions) run(ctx context.Context, world *World) error {
	sinks, err := world.sinks(o.outputs)
	if err := errors.Join(err, o.valid()); err != nil {
		return err
	}
	report := o.emptyReport(world)
	judged, problems := o.find(ctx, world, report)
	problems = append(problems, o.narrow(ctx, world, report, judged)...)
	if o.fix && len(problems) == 0 {
		var errs []error
		judged, errs = o.fixAndRecheck(ctx, world, report, judged)
		problems = append(problems, withoutNil(errs)...)
	}
	if len(problems) == 0 {
		problems = append(problems, o.nothingEvaluated(report)...)
	}
	problems = append(problems, o.tell(world, report)...)
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
		return world.updateRatchet(o.baseline, report, judged)
	case report.Failing() > 0:
		return findingsError(report.Failing())
	}
	return nil
}

// emptyReport is a report of which nothing is found out yet.
func (o *checkOptions) emptyReport(world *World) *output.Report {
	return &output.Report{Version: version(), FailOn: check.Action(o.failOn), Now: world.Now()}
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
func (o *checkOptions) narrow(ctx context.Context, world *World, report *output.Report, judged *scope) []error {
	if o.since != "" {
		changed, err := world.changedSince(ctx, o.since)
		if err != nil {
			return []error{err} // Without it, nothing is left out.
		}
		keepChanged(report, changed)
		judged.only(changed)
	}
	if o.baseline == "" || o.update {
		return nil
	}
	known, err := world.readRatchet(o.baseline)
	if err != nil {
		return []error{err}
	}
	known.suppress(report, o.baseline, judged)
	return nil
}

// tell writes to the standard error what is no finding: how many each section of a framework has,
// and what is worth knowing.
func (o *checkOptions) tell(world *World, report *output.Report) []error {
	var errs []error
	if o.framework != "" {
		by, err := world.readFramework(o.framework)
		if err == nil {
			err = output.Groups(world.Err, groups(report, by))
		}
		errs = withoutNil([]error{err})
	}
	for _, note := range report.Notes {
		fmt.Fprintf(world.Err, "note: %s\n", printable.Line(note))
	}
	return errs
}

// find reads everything, has it judged, and fills the report. It is what was judged, and what went
// wrong.
func (o *checkOptions) find(ctx context.Context, world *World, report *output.Report) (*scope, []error) {
	given := world.split(o.files)
	judged := world.scopeOf(o.files, given.sources)
	profiles := world.readManifests(o.profiles)
	namespaces := world.readManifests(o.namespaceFiles)
	old := world.readManifests(o.old)
	problems := slices.Concat(given.problems, profiles.problems, namespaces.problems, old.problems,
		check.Unmatched(namespaces.documents))

	among := documentsMentioning(given.sources, profileKind)
	decoded := decodeAhead(given.sources)
	governing, _, errs := readProfiles(ctx, profiles.documents, among)
	decoded()
	problems = append(problems, errs...)
	if len(governing) == 0 && len(errs)+len(profiles.problems) > 0 && !o.cluster.wanted {
		decode(given.sources) // What is wrong with manifests is said all the same.
		return judged, append(problems, problemsOf(given.sources)...)
	}
	report.Notes = append(report.Notes, noProfiles(profiles.documents)...)
	labelled, errs := readNamespaces(namespaces.documents)
	problems = append(problems, errs...)
	cluster := &inCluster{}
	if o.cluster.wanted {
		var err error
		if cluster, err = o.fromCluster(ctx, world); err != nil {
			return judged, append(problems, err)
		}
		governing, labelled = before(governing, cluster.profiles), append(cluster.namespaces, labelled...)
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
		Rights: cluster.rights,
		Scans:  scans,
		Now:    world.Now(),
	})
	progress.end()
	problems = append(problems, problemsOf(given.sources)...)
	if result != nil {
		report.Evaluated, report.Ungoverned = result.Evaluated, len(result.Ungoverned)
		report.Unruled, report.Skipped = result.Unruled, result.Skipped
		report.Findings = world.placed(result.Results, slices.ContainsFunc(o.outputs, wantsEdits), o.fix)
		report.Sort()
		report.Notes = append(report.Notes, result.Notes...)
		problems = append(problems, o.leftOut(report, result)...)
		judged.found(result, scans)
	}
	if err != nil {
		problems = append(problems, err)
	}
	return judged, problems
}

// wantsEdits reports whether an output holds the edits that mend findings.
func wantsEdits(wanted string) bool { return wanted == "sarif" || strings.HasPrefix(wanted, "sarif=") }

// leftOut says of what nothing was judged: in notes, or as errors if that is wanted. Of unknown kinds
// the summary says it.
func (o *checkOptions) leftOut(report *output.Report, result *check.Report) []error {
	words := unscanned(result)
	if n := len(result.Ungoverned); n > 0 {
		words = append(words, fmt.Sprintf("%d objects are governed by no profile: %s", n, someOf(result.Ungoverned)))
	}
	if !o.strict {
		report.Notes = append(report.Notes, words...)
		return nil
	}
	for _, kind := range slices.Sorted(maps.Keys(report.Skipped)) {
		words = append(words, fmt.Sprintf("%d objects of the unknown kind %s were skipped", report.Skipped[kind], kind))
	}
	return asErrors(words)
}

// mostNamed is how many objects a note names.
const mostNamed = 5

// someOf names the first few objects, and says how many more there are.
func someOf(objects []check.Reference) string {
	var names []string
	for _, o := range objects[:min(len(objects), mostNamed)] {
		names = append(names, o.String())
	}
	if more := len(objects) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// nothingEvaluated says why nothing was, of a check in which nothing else went wrong.
func (o *checkOptions) nothingEvaluated(report *output.Report) []error {
	switch {
	case report.Evaluated > 0 || o.allowEmpty:
		return nil
	case report.Ungoverned > 0:
		return []error{errors.New("nothing was evaluated: no object is in a namespace that a profile governs; " +
			"see the profile's namespaceSelector and excludeNamespaces, or give --allow-empty")}
	case len(report.Unruled)+len(report.Skipped) > 0:
		return []error{fmt.Errorf("nothing was evaluated: there is no rule about what -f names (%s); "+
			"name other files, or give --allow-empty", strings.Join(slices.Sorted(maps.Keys(kindsOf(report))), ", "))}
	}
	return []error{errors.New("nothing was evaluated: there is no manifest in what -f names; " +
		"name other files, or give --allow-empty")}
}

// kindsOf are the kinds of which nothing was judged.
func kindsOf(report *output.Report) map[string]int {
	all := maps.Clone(report.Unruled)
	maps.Copy(all, report.Skipped)
	return all
}

func asErrors(messages []string) []error {
	var errs []error
	for _, words := range messages {
		errs = append(errs, errors.New(words+" (--strict)"))
	}
	return errs
}
