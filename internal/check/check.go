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
	// Evaluated counts the objects that were judged, Ungoverned those that no profile governs.
	Evaluated, Ungoverned int
	// Skipped counts objects of kinds that are not known, by kind.
	Skipped map[string]int
	// Governed are the profiles, by the namespaces that they govern.
	Governed map[string]string
	// Notes are what is worth knowing of scan reports and is no result.
	Notes []string
	// Unscanned are profiles that ask for scan reports where none are given.
	Unscanned []string
}

// Run judges manifests. What keeps a rule from being evaluated is an error, which may be several.
func Run(ctx context.Context, in Input) (*Report, error) {
	r := &run{in: in, kinds: newKinds(), report: &Report{Skipped: map[string]int{}, Governed: map[string]string{}}}
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
	errs := []error{r.govs.unknown()}
	for _, j := range judged {
		r.objects = append(r.objects, j.objects...)
		r.add(j.results)
		r.report.Evaluated += j.evaluated
		for _, kind := range j.skipped {
			r.report.Skipped[kind]++
		}
		errs = append(errs, j.err)
	}
	r.report.Ungoverned = len(r.objects) - r.report.Evaluated
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
}

// judged is what came of one source.
type judged struct {
	objects   []*object
	results   []Result
	evaluated int
	skipped   []string // the kinds of what is of none that is known
	err       error
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
			all.skipped = append(all.skipped, kindOf(d.Object))
			continue
		}
		results, err := r.judge(ctx, o)
		all.objects, all.results, all.err = append(all.objects, o), append(all.results, results...), errors.Join(all.err, err)
		if r.evaluates(o) {
			all.evaluated++
		}
		all.results = append(all.results, r.measure(o)...)
		if r.in.Scans != nil {
			o.parts = partsOf(o)
		}
		o.slim()
	}
	all.results = slices.Clip(all.results)
	source.Release()
	return all
}

// evaluates reports whether an object is judged. Of what is in no namespace, only a Namespace has
// rules of its own.
func (r *run) evaluates(o *object) bool {
	return len(r.of(o)) > 0 && (o.Namespace != "" || o.Kind == "Namespace") || o.undecodable != ""
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
		if err := e.judge(ctx, r, o, found); err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
	}
	return found.results, nil
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
