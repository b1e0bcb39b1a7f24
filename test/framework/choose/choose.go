// Package choose makes choices by the bytes of a fuzzer, so that it explores what the choices lead
// to, or by a seed. It knows nothing of what there is to choose from, and must never import it.
package choose

import (
	"math/rand/v2"
	"slices"
)

// Source are the bytes that choices are made by. Where they end, it is the first of what there is
// to choose from that is chosen.
type Source struct {
	data []byte
}

// By is a source of the given bytes.
func By(data []byte) *Source {
	return &Source{data: data}
}

// Below chooses a number from 0 on and below n, which is at most 256.
func (s *Source) Below(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	chosen := int(s.data[0]) % n
	s.data = s.data[1:]
	return chosen
}

// Bool chooses false or true.
func (s *Source) Bool() bool {
	return s.Below(2) == 1
}

// Of chooses one of several.
func Of[T any](s *Source, from ...T) T {
	return from[s.Below(len(from))]
}

// OneOf draws one of several.
func OneOf[T any](r *rand.Rand, from ...T) T {
	return from[r.IntN(len(from))]
}

// Some chooses up to n of several, the same perhaps more than once.
func Some[T any](s *Source, n int, from ...T) []T {
	var chosen []T
	for range s.Below(n + 1) {
		chosen = append(chosen, Of(s, from...))
	}
	return chosen
}

// Order chooses an order of a list.
func Order[T any](s *Source, list []T) []T {
	ordered := slices.Clone(list)
	for i := range ordered {
		j := i + s.Below(len(ordered)-i)
		ordered[i], ordered[j] = ordered[j], ordered[i]
	}
	return ordered
}
