package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/profiles"
)

// profileKind is what a document that holds a SecurityProfile mentions.
const profileKind = "SecurityProfile"

// documentsMentioning are the documents of sources that may hold a word.
func documentsMentioning(sources []*manifests.Source, word string) []*manifests.Document {
	var documents []*manifests.Document
	for _, source := range sources {
		if source.Mentions(word) {
			documents = append(documents, source.Documents()...)
		}
	}
	return documents
}

// readProfiles are the SecurityProfiles that are given and those among the manifests, and the rest
// of the manifests. One that the API server would refuse is an error, at its place.
func readProfiles(
	ctx context.Context,
	given, documents []*manifests.Document,
) ([]v1alpha1.SecurityProfile, []*manifests.Document, []error) {
	var all []v1alpha1.SecurityProfile
	errs := mistaken(given)
	seen := map[string]string{}
	read := func(d *manifests.Document) {
		profile, refusals, err := profiles.Read(ctx, d.Object)
		if err != nil {
			errs = append(errs, err)
			return
		}
		if profile == nil {
			errs = append(errs, refused(d, refusals)...)
			return
		}
		where := fmt.Sprintf("%s:%d", d.File, d.Line)
		if first, twice := seen[profile.Name]; twice {
			if first != where { // The same file may be named as a profile and as a manifest.
				errs = append(errs, &manifests.ReadError{File: d.File, Line: d.Line, Message: fmt.Sprintf(
					"there is a SecurityProfile %s already, in %s", profile.Name, first)})
			}
			return
		}
		seen[profile.Name] = where
		all = append(all, *profile)
	}
	found := 0
	for _, d := range given {
		if profiles.Is(d.Object) {
			read(d)
			found++
		}
	}
	if len(given) > 0 && found == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("--profile: there is no SecurityProfile in what it names"))
	}
	var rest []*manifests.Document
	for _, d := range documents {
		if profiles.Is(d.Object) {
			read(d)
			continue
		}
		rest = append(rest, d)
	}
	return all, rest, errs
}

// refused are what the API server refuses of a profile, each at its place.
func refused(d *manifests.Document, refusals []*profiles.Refusal) []error {
	var errs []error
	for _, refusal := range refusals {
		place := d.Positions().Of(refusal.Path...)
		errs = append(
			errs,
			&manifests.ReadError{File: d.File, Line: place.Line, Column: place.Column, Message: refusal.Words},
		)
	}
	return errs
}

// mistaken are the errors of documents that name a kind that there is not, or a SecurityProfile of
// another group: beside a good one they would be passed over without a word.
func mistaken(documents []*manifests.Document) []error {
	errs := check.Unmatched(documents)
	for _, d := range documents {
		if kind := d.Object.GetKind(); strings.EqualFold(kind, profileKind) && !ours(d) {
			place := d.Positions().Of("apiVersion")
			errs = append(errs, &manifests.ReadError{File: d.File, Line: place.Line, Column: place.Column, Message: fmt.Sprintf(
				"no matches for kind %q in version %q: it is in %s", kind, d.Object.GetAPIVersion(), v1alpha1.GroupVersion)})
		}
	}
	return errs
}

// ours reports whether an object is of Bulwark's API.
func ours(d *manifests.Document) bool {
	return d.Object.GroupVersionKind().Group == v1alpha1.GroupVersion.Group
}

// noProfiles says what was passed over of what --profile names.
func noProfiles(documents []*manifests.Document) []string {
	var others []check.Reference
	for _, d := range documents {
		if !profiles.Is(d.Object) {
			others = append(others, check.Reference{Kind: d.Object.GetKind(), Name: d.Object.GetName()})
		}
	}
	if len(others) == 0 || len(others) == len(documents) { // Where there is no profile, that is an error.
		return nil
	}
	return []string{fmt.Sprintf("--profile: %d objects are no SecurityProfiles, and are left out: %s",
		len(others), someOf(others))}
}

// readNamespaces are the Namespaces among documents.
func readNamespaces(documents []*manifests.Document) ([]corev1.Namespace, []error) {
	var all []corev1.Namespace
	var errs []error
	for _, d := range documents {
		if d.Object.GroupVersionKind() != corev1.SchemeGroupVersion.WithKind("Namespace") {
			continue
		}
		var ns corev1.Namespace
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(d.Object.Object, &ns); err != nil {
			errs = append(errs, &manifests.ReadError{File: d.File, Line: d.Line, Message: err.Error()})
			continue
		}
		all = append(all, ns)
	}
	if len(documents) > 0 && len(all) == 0 {
		errs = append(errs, errors.New("--namespaces: there is no Namespace in what it names"))
	}
	return all, errs
}
