package parity

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/test/framework/workloads"
)

// Of what is generated some is refused and some is not, and all of it is read.
func TestGeneratedWorkloadsAreOfBothKinds(t *testing.T) {
	p := v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	p.Spec.PodSecurity = &v1alpha1.PodSecurity{Enforce: "baseline", Version: "v1.37"}
	all := documents(t, "generated.yaml", workloads.Stream(200))
	report, err := check.Run(t.Context(), check.Input{
		Profiles: []v1alpha1.SecurityProfile{
			p,
		},
		Manifests: given(all),
		Namespace: "shop",
		Now:       time.Unix(0, 0),
		User:      &user.DefaultInfo{Name: "dana"},
	})
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{}
	for _, r := range report.Results {
		if r.Rule == "api/decoding" || r.Rule == "api/unknown-field" {
			t.Errorf("%s: %s", r.Object, r.Message)
		}
		refused[r.Object.String()] = true
	}
	if len(all) != 200 || len(refused) < 50 || len(refused) > 190 {
		t.Errorf("of %d, %d are refused", len(all), len(refused))
	}
}
