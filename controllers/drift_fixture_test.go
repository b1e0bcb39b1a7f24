package controllers

import (
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func roleNamed(name string) v1alpha1.ObjectReference {
	return v1alpha1.ObjectReference{APIVersion: "v1", Kind: "Role", Name: name}
}
