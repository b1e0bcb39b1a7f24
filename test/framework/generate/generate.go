// Package generate draws the parts of which the generators of several suites make profiles and
// pods. It knows nothing of these: what is drawn is the caller's. It may import rapid alone, and
// must never draw by anything but the T that it is given, so that a seed always draws the same.
package generate

import "pgregory.net/rapid"

// Optional generates a part of a profile, or leaves it out.
func Optional[T any](t *rapid.T, name string, generate func(*rapid.T) *T) *T {
	if rapid.Bool().Draw(t, name) {
		return generate(t)
	}
	return nil
}

// OneOf draws one of several.
func OneOf[T any](t *rapid.T, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, name)
}

// Some draws several different ones, at least so many. If there are none, the list is empty.
func Some[T comparable](t *rapid.T, name string, least int, from ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), least, len(from), rapid.ID[T]).Draw(t, name)
}

// SomeOrNil is the same. If there are none, the list is nil, as a user leaves it out.
func SomeOrNil[T comparable](t *rapid.T, name string, least int, from ...T) []T {
	if drawn := Some(t, name, least, from...); len(drawn) > 0 {
		return drawn
	}
	return nil
}
