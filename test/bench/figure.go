package main

import (
	"fmt"
	"math"
	"strconv"
)

// comparison is how a figure must stand to its bound.
type comparison string

const (
	atMost  comparison = "<="
	exactly comparison = "="
)

// figure is one number that the run is about.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Bound is nil for a figure that is there for information only.
	Bound *bound `json:"bound,omitempty"`
	Note  string `json:"note,omitempty"`
}

// bound is how good a figure must be, and how good it should be.
type bound struct {
	Comparison comparison `json:"comparison"`
	Must       float64    `json:"must"`
	Aim        float64    `json:"aim"`
	Reached    bool       `json:"reached"`
	AimReached bool       `json:"aimReached"`
}

// information is a figure that need not be anything.
func information(name string, value float64, unit string) figure {
	return figure{Name: name, Value: value, Unit: unit}
}

// must gives the figure its bound.
func (f figure) must(c comparison, must, aim float64) figure {
	f.Bound = &bound{
		Comparison: c, Must: must, Aim: aim,
		Reached: c.holds(f.Value, must), AimReached: c.holds(f.Value, aim),
	}
	return f
}

// because adds a note.
func (f figure) because(format string, args ...any) figure {
	f.Note = fmt.Sprintf(format, args...)
	return f
}

// holds allows for the last bits of a division, and for nothing else. A value that is not a number
// holds nowhere.
func (c comparison) holds(value, bound float64) bool {
	const rounding = 1e-9
	if c == exactly {
		return math.Abs(value-bound) <= rounding
	}
	return value <= bound+rounding
}

// verdict is the figure's last column.
func (f figure) verdict() string {
	switch {
	case f.Bound == nil:
		return ""
	case f.Bound.AimReached:
		return "aim reached"
	case f.Bound.Reached:
		return "reached"
	default:
		return "NOT REACHED"
	}
}

// number is a value as people read it: four digits that count, no exponent.
func number(v float64) string {
	switch size := math.Abs(v); {
	case v == math.Trunc(v) || size >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case size >= 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}
