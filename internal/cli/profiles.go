package cli

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
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
	var errs []error
	seen := map[string]string{}
	read := func(d *manifests.Document) {
		profile, refusals, err := profiles.Read(ctx, d.Object)
		if err != nil {
			errs = append(errs, err)
			return
		}
		for _, refusal := range refusals {
			place := d.Positions().Of(refusal.Path...)
			errs = append(
				errs,
				&manifests.ReadError{File: d.File, Line: place.Line, Column: place.Column, Message: refusal.Words},
			)
		}
		if profile == nil {
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
	if len(given) > 0 && found == 0 {
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
