package priority

import "time"

// Soonest is the shortest of some waits, of which zero is none.
func Soonest(waits ...time.Duration) time.Duration {
	var soonest time.Duration
	for _, wait := range waits {
		if soonest == 0 || wait != 0 && wait < soonest {
			soonest = wait
		}
	}
	return soonest
}
