package main

import (
	"slices"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
)

// class is what a write is for.
type class int

const (
	// baselineWrite is a write of a managed object or of a report on a namespace: what onboarding
	// is made of.
	baselineWrite class = iota
	// policyWrite is a write of a profile's admission policies and bindings, of which there are as
	// many however many namespaces there are.
	policyWrite
	// profileWrite is a write of a SecurityProfile: its finalizer.
	profileWrite
	// statusWrite is a write of a SecurityProfile's status.
	statusWrite
	// eventWrite is an event.
	eventWrite
	// upkeepWrite is a write that stores nothing.
	upkeepWrite
)

func classOf(w controlplane.Write) class {
	switch {
	case !w.Stored():
		return upkeepWrite
	case w.Resource == "events":
		return eventWrite
	case w.Resource == "validatingadmissionpolicies" || w.Resource == "validatingadmissionpolicybindings":
		return policyWrite
	case w.Resource == "securityprofiles" && w.Subresource == "status":
		return statusWrite
	case w.Resource == "securityprofiles":
		return profileWrite
	}
	return baselineWrite
}

// of are the writes of these classes.
func of(writes []controlplane.Write, classes ...class) []controlplane.Write {
	var found []controlplane.Write
	for _, w := range writes {
		if slices.Contains(classes, classOf(w)) {
			found = append(found, w)
		}
	}
	return found
}

// stored are the writes of which there are none at rest.
func stored(writes []controlplane.Write) []controlplane.Write {
	return of(writes, baselineWrite, policyWrite, profileWrite, statusWrite, eventWrite)
}

// within are the writes to these namespaces, and to what they hold.
func within(namespaces []string, writes []controlplane.Write) []controlplane.Write {
	known := make(map[string]bool, len(namespaces))
	for _, namespace := range namespaces {
		known[namespace] = true
	}
	var found []controlplane.Write
	for _, w := range writes {
		if known[w.Namespace] || w.Resource == "namespaces" && known[w.Name] {
			found = append(found, w)
		}
	}
	return found
}

// lastAt is when the last of the writes was answered.
func lastAt(writes []controlplane.Write) time.Time {
	var last time.Time
	for _, w := range writes {
		if w.At.After(last) {
			last = w.At
		}
	}
	return last
}

// statusWritesOf are the times at which the API server was asked to write the status of a profile.
// How soon it answered hangs on what else it had to do.
func statusWritesOf(profile string, writes []controlplane.Write) []time.Time {
	var times []time.Time
	for _, w := range of(writes, statusWrite) {
		if w.Name == profile {
			times = append(times, w.Received)
		}
	}
	return times
}

// policyWritesOf are the writes of the admission policies of a profile, and of their bindings.
// Those of others are written too, where the profile outranks them.
func policyWritesOf(profile string, writes []controlplane.Write) []controlplane.Write {
	return slices.DeleteFunc(of(writes, policyWrite), func(w controlplane.Write) bool {
		return !strings.HasPrefix(w.Name, v1alpha1.NamePrefix+profile+"-")
	})
}
