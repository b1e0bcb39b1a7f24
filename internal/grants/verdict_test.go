package grants

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestJudge(t *testing.T) {
	policies := rule(of("networking.k8s.io"), of("networkpolicies"), of("update"))
	const words = "update on networkpolicies.networking.k8s.io"
	for it, test := range map[string]struct {
		name  string
		rules []rbacv1.PolicyRule
		want  Verdict
	}{
		"one that permits nothing of baselines":     {"reader", []rbacv1.PolicyRule{rule(of(""), of("limitranges"), of("get"))}, Verdict{}},
		"one that does":                             {"writer", []rbacv1.PolicyRule{policies}, Verdict{Forbidden: words, Unexpected: words}},
		"one that Kubernetes brings along and does": {"edit", []rbacv1.PolicyRule{policies}, Verdict{Forbidden: words}},
	} {
		t.Run(it, func(t *testing.T) {
			got := Judge(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: test.name}, Rules: test.rules})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAVerdictIsBounded(t *testing.T) {
	resources := of(strings.Repeat("é", maxVerdict)+"*", strings.Repeat("ö", maxVerdict)+"*")
	got := Judge(&rbacv1.ClusterRole{Rules: []rbacv1.PolicyRule{rule(of(""), resources, of("get"))}})
	for _, words := range []string{got.Forbidden, got.Unexpected} {
		if n := utf8.RuneCountInString(words); n < maxVerdict || n > maxVerdict+1 {
			t.Errorf("want %d characters and what tells that it is cut, got %d", maxVerdict, n)
		}
	}
}
