package correction

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Another order would leave an object without the finalizers of others where its deletion fails,
// and where it is declared again by then.
func TestFinalizersAreTakenOffWhatIsDeleted(t *testing.T) {
	const deletes, releases = "delete Role bulwark-dev", "release Role bulwark-dev"
	held := []string{"x.y/z"}
	for sentence, tc := range map[string]struct {
		finalizers []string
		answers    map[string][]error
		want       []string
		refused    bool
	}{
		"of an object without any": {want: []string{deletes}},
		"of one that is held":      {finalizers: held, want: []string{deletes, releases}},
		"not of one that stays": {
			finalizers: held, answers: map[string][]error{"delete": {errRefused}}, want: []string{deletes}, refused: true,
		},
		"unless somebody else has done so": {
			finalizers: held, answers: map[string][]error{"release": {errGone}}, want: []string{deletes, releases},
		},
		"and again if that fails": {
			finalizers: held, answers: map[string][]error{"release": {errBusy}}, want: []string{deletes, releases}, refused: true,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, role := &server{answers: tc.answers}, kinded("Role", "bulwark-dev")
			role.SetFinalizers(tc.finalizers)
			err := (Writer{Client: s}).Delete(t.Context(), role)
			if diff := cmp.Diff(tc.want, s.calls); diff != "" || (err != nil) != tc.refused {
				t.Errorf("%v, calls (-want +got):\n%s", err, diff)
			}
		})
	}
}
