package main

import (
	"math"
	"slices"
	"time"
)

// percentile is the smallest value that p percent of the values do not exceed. Of no values it is
// not a number.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// mostWithin is the largest number of times that any stretch of that length holds, both its ends
// included.
func mostWithin(times []time.Time, stretch time.Duration) int {
	sorted := slices.SortedFunc(slices.Values(times), time.Time.Compare)
	most, first := 0, 0
	for i := range sorted {
		for sorted[i].Sub(sorted[first]) > stretch {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// closest is the least time between two of them; false if there are not two.
func closest(times []time.Time) (time.Duration, bool) {
	sorted := slices.SortedFunc(slices.Values(times), time.Time.Compare)
	least := time.Duration(math.MaxInt64)
	for i := 1; i < len(sorted); i++ {
		least = min(least, sorted[i].Sub(sorted[i-1]))
	}
	return least, len(sorted) > 1
}

// seconds are durations as numbers.
func seconds(durations []time.Duration) []float64 {
	var values []float64
	for _, d := range durations {
		values = append(values, d.Seconds())
	}
	return values
}
