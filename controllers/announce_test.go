package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNotesAreCutAsTheAPIServerCounts(t *testing.T) {
	for sentence, tc := range map[string]struct{ note, want string }{
		"a short note stays":                       {"short", "short"},
		"1024 bytes stay":                          {strings.Repeat("a", 1024), strings.Repeat("a", 1024)},
		"of 1025 there is room for 1021 and …":     {strings.Repeat("a", 1025), strings.Repeat("a", 1021) + "…"},
		"bytes count, not characters":              {strings.Repeat("ö", 600), strings.Repeat("ö", 510) + "…"},
		"a character is taken whole or not at all": {"a" + strings.Repeat("€", 400), "a" + strings.Repeat("€", 340) + "…"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, cutNote(tc.note)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
