package openreports

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
)

// key is what readers tell the results of one report apart by.
type key struct{ policy, rule string }

// tellApart gives results that would share a key rules of their own, by their descriptions: one
// webhook configuration can call two Services of a namespace. A result whose key is its own keeps
// it.
func tellApart(results []reportsv1alpha1.ReportResult) {
	sharing := map[key]int{}
	for i := range results {
		sharing[keyOf(&results[i])]++
	}
	taken := map[key]bool{}
	for i := range results {
		if own := keyOf(&results[i]); sharing[own] == 1 {
			taken[own] = true
		}
	}
	for i := range results {
		r := &results[i]
		if sharing[keyOf(r)] == 1 {
			continue
		}
		digest := sha256.Sum256([]byte(r.Description))
		rule := r.Rule + "#" + hex.EncodeToString(digest[:4])
		r.Rule = rule
		for n := 2; taken[keyOf(r)]; n++ {
			r.Rule = rule + "-" + strconv.Itoa(n)
		}
		taken[keyOf(r)] = true
	}
}

func keyOf(r *reportsv1alpha1.ReportResult) key { return key{r.Policy, r.Rule} }
