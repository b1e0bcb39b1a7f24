package events

import "github.com/bulwark-dev/bulwark/api/v1alpha1"

// Notice is an event on an object of a baseline that a step of a pass returns, for the reconciler
// to tell the namespace and its profile.
type Notice struct {
	// Object is the object that the event concerns.
	Object v1alpha1.ObjectReference
	// Type is Normal or Warning, Reason and Action are those of the event, Note is its text.
	Type, Reason, Action, Note string
}
