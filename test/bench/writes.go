package main

import (
	"slices"
	"time"

	"github.com/bulwark-dev/bulwark/test/controlplane"
)

// class is what a write is for.
type class int

const (
	// baselineWrite is a write of a managed object or of a report on a namespace: what onboarding is made of.
	baselineWrite class = iota
	// profileWrite is a write of a SecurityProfile: its finalizer.
	profileWrite
	// statusWrite is a write of a SecurityProfile's status.
	statusWrite
	// eventWrite is an event.
	eventWrite
	// upkeepWrite is a lease, or a question to the API server that has the form of a write and stores nothing.
	upkeepWrite
)

func classOf(w controlplane.Write) class {
	switch w.Resource {
	case "events":
		return eventWrite
	case "leases", "selfsubjectaccessreviews", "selfsubjectreviews", "subjectaccessreviews", "tokenreviews":
		return upkeepWrite
	case "securityprofiles":
		if w.Subresource == "status" {
			return statusWrite
		}
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

// stored are the writes that change what is stored, leases aside: of which there are none at rest.
func stored(writes []controlplane.Write) []controlplane.Write {
	return of(writes, baselineWrite, profileWrite, statusWrite, eventWrite)
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

// statusWritesOf are the times at which the API server was asked to write the status of a profile. How soon it answered
// hangs on what else it had to do.
func statusWritesOf(profile string, writes []controlplane.Write) []time.Time {
	var times []time.Time
	for _, w := range of(writes, statusWrite) {
		if w.Name == profile {
			times = append(times, w.Received)
		}
	}
	return times
}
