// Package check knows what the API server, and the controllers that make pods, will answer to
// manifests that are not applied yet. The operator's own rooms decide what is refused, and this one
// puts their verdicts together. Of its own it decides what only manifests raise: how many pods they
// make, and whether these fit into the quotas (quota.go).
//
// It is of the pure rooms: no client, no clock, no file. It may import all of them. It must never
// decide what another room decides, nor take a rule that cannot be evaluated for one that is kept.
package check

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/profiles"
	"github.com/bulwark-dev/bulwark/internal/scanreport"
)

// Input is what is judged, and by what.
type Input struct {
	// Profiles are those of the cluster. One alone governs each namespace of which no labels are
	// known; of several, labels decide.
	Profiles []v1alpha1.SecurityProfile
	// Manifests are what is judged. Namespaces among them say their labels. Each is released once
	// it is judged.
	Manifests []*manifests.Source
	// Namespaces are namespaces that are known beside them.
	Namespaces []corev1.Namespace
	// Old are objects that there are already: a manifest of the same is judged as an update.
	Old []*manifests.Document
	// Namespace is that of objects that name none.
	Namespace string
	// Protected are namespaces that no profile selects, beside Kubernetes' own.
	Protected []string
	// User is who applies the manifests.
	User user.Info
	// Rights are what users may do in the cluster; nil without one: then those of system:masters may
	// do everything, and nobody else anything.
	Rights authorizer.UnconditionalAuthorizer
	// Scans are the reports of scanners; nil if none are given.
	Scans *scanreport.Set
	// Now is the time.
	Now time.Time
	// Judged is called for each of the manifests once it is judged, by several goroutines; nil is
	// nobody.
	Judged func()
}

// Report is what was found.
type Report struct {
	// Results are in the order of the documents, and of an object in that in which the API server
	// judges.
	Results []*Result
	// Evaluated counts the objects that a rule was held against.
	Evaluated int
	// Ungoverned are the objects that rules are about, and that no profile governs.
	Ungoverned []Reference
	// Unruled counts objects of Kubernetes' own kinds that no rule is about, and Skipped those of
	// kinds that are not known, each by kind.
	Unruled, Skipped map[string]int
	// Governed are the profiles, by the namespaces that they govern.
	Governed map[string]string
	// Notes are what is worth knowing of scan reports and is no result.
	Notes []string
	// Unscanned are profiles that ask for scan reports where none are given.
	Unscanned []string
}

// Run judges manifests. A rule that cannot be evaluated is an error, and there may be several.
func Run(ctx context.Context, in Input) (*Report, error) {
	r := &run{in: in, kinds: newKinds(), report: &Report{
		Unruled: map[string]int{}, Skipped: map[string]int{}, Governed: map[string]string{},
	}}
	r.readAhead()
	if err := r.govern(); err != nil {
		return nil, err
	}
	judged := make([]judged, len(in.Manifests))
	each(len(judged), func(i int) {
		judged[i] = r.judgeSource(ctx, in.Manifests[i])
		if in.Judged != nil {
			in.Judged()
		}
	})
	errs := slices.Concat(r.unmatched, []error{r.govs.unknown()})
	for _, j := range judged {
		r.objects = append(r.objects, j.objects...)
		r.add(j.results)
		r.report.count(&j)
		errs = append(errs, j.errs...)
	}
	r.add(r.quotas())
	r.add(r.weaknesses())
	scanned, err := r.scanned()
	r.add(scanned)
	r.sort()
	return r.report, errors.Join(append(errs, err)...)
}

func (r *run) add(results []Result) {
	for i := range results {
		r.report.Results = append(r.report.Results, &results[i])
	}
}

// run is one check.
type run struct {
	in      Input
	words   words
	report  *Report
	kinds   kinds
	objects []*object
	old     map[key]*object
	govs    governors
	// unmatched are the errors of what there is already, and is of no kind.
	unmatched []error
}

// judged is what came of one source.
type judged struct {
	objects    []*object
	results    []Result
	evaluated  int
	ungoverned []Reference
	unruled    []string // the kinds of what no rule is about
	skipped    []string // and of what is of none that is known
	errs       []error
}

// count adds what came of a source.
func (r *Report) count(j *judged) {
	r.Evaluated += j.evaluated
	r.Ungoverned = append(r.Ungoverned, j.ungoverned...)
	for _, kind := range j.unruled {
		r.Unruled[kind]++
	}
	for _, kind := range j.skipped {
		r.Skipped[kind]++
	}
}

// judgeSource decodes a source and judges each of its objects. Of an object no more is kept than
// what is asked for all of them together.
func (r *run) judgeSource(ctx context.Context, source *manifests.Source) judged {
	var all judged
	for _, d := range source.Documents() {
		if profiles.Is(d.Object) {
			continue // It was judged before it governed.
		}
		o := r.kinds.read(d, r.in.Namespace)
		if o == nil {
			all.leftOut(d, r.kinds.mismatch(d))
			continue
		}
		results, err := r.judge(ctx, o)
		results = append(results, r.measure(o)...)
		all.objects, all.results = append(all.objects, o), append(all.results, results...)
		if err != nil {
			all.errs = append(all.errs, err)
		}
		r.tally(&all, o, len(results) > 0)
		if r.in.Scans != nil {
			o.parts = partsOf(o)
		}
		o.slim()
	}
	all.results = slices.Clip(all.results)
	source.Release()
	return all
}

// leftOut takes in an object of no kind that is known: an error, if its group is.
func (j *judged) leftOut(d *manifests.Document, mismatch error) {
	switch {
	case mismatch != nil:
		j.errs = append(j.errs, mismatch)
	case d.Object.GroupVersionKind() == aggregation:
		j.unruled = append(j.unruled, kindOf(d.Object))
	default:
		j.skipped = append(j.skipped, kindOf(d.Object))
	}
}

// tally counts an object as what it is:
//  1. evaluated, if a rule was held against it: a profile governs it, and has rules about its kind,
//     or something was said of it;
//  2. ungoverned, if there are rules about its kind, and no profile governs it;
//  3. else unruled: nothing is to be said of its kind.
func (r *run) tally(all *judged, o *object, said bool) {
	ruled, in := o.ruled(), (*space)(nil)
	if name := o.namespaceName(); name != "" {
		in = r.space(name)
	} else {
		ruled = false // Of what is in no namespace a rule has something to say, or it is not counted.
	}
	governed := in != nil && in.governor != nil
	switch {
	case said || governed && ruled:
		all.evaluated++
	case !ruled:
		all.unruled = append(all.unruled, kindOf(o.unstructured))
	}
	if ruled && in != nil && !governed {
		all.ungoverned = append(all.ungoverned, o.Reference)
	}
}

// namespaceName is the namespace that an object is in, or is; empty if there is none.
func (o *object) namespaceName() string {
	if o.Kind == "Namespace" {
		return o.Name
	}
	return o.Namespace
}

// judge is what is said of one object by itself.
func (r *run) judge(ctx context.Context, o *object) ([]Result, error) {
	found := &collected{object: o, words: &r.words}
	if o.undecodable != "" {
		found.add(
			Result{
				Rule:     ruleDecoding,
				Action:   Deny,
				Severity: v1alpha1.SeverityHigh,
				Message:  o.undecodable,
				Answer:   o.undecodable,
				Path:     o.wrongPath,
			},
		)
		return found.results, nil
	}
	for _, unknown := range o.unknownFields {
		found.add(
			Result{
				Rule:     ruleUnknownField,
				Action:   Deny,
				Severity: v1alpha1.SeverityMedium,
				Message:  unknown.words,
				Answer:   unknown.answer,
				Path:     unknown.path,
			},
		)
	}
	for _, e := range r.of(o) {
		e.rights = &rights{cluster: r.in.Rights}
		if err := e.judge(ctx, r, o, found); err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
	}
	for i, err := range found.unjudged {
		found.unjudged[i] = fmt.Errorf("%s: %w", o, err)
	}
	return found.results, errors.Join(found.unjudged...)
}

// each does something for each index, on all processors.
func each(n int, do func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}
