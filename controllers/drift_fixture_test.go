package controllers

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func reference(kind, name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: "v1", Kind: kind, Name: name}
}

// changed is a drift of an object in which these fields differ.
func changed(object v1alpha1.ObjectReference, paths ...string) *drift.Drift {
	d := &drift.Drift{Object: object, Change: v1alpha1.DriftChangeModified}
	for _, path := range paths {
		d.Fields = append(d.Fields, drift.Field{Path: []string{path}})
	}
	return d
}
