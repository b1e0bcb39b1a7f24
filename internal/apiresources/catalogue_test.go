package apiresources

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestMissingNamesWhatTheAPIServerHasNotAndWhatWasMeant(t *testing.T) {
	resource := func(name, singular, kind string, short ...string) metav1.APIResource {
		return metav1.APIResource{Name: name, SingularName: singular, Kind: kind, ShortNames: short}
	}
	c := New([]*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			resource("pods", "pod", "Pod", "po"), resource("pods/log", "", "Pod"), resource("pods/exec", "", "PodExecOptions"),
			resource("services", "service", "Service", "svc"), resource("configmaps", "configmap", "ConfigMap", "cm"),
			resource("endpoints", "endpoints", "Endpoints", "ep"), resource("events", "event", "Event", "ev"),
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{
			resource("deployments", "deployment", "Deployment", "deploy"), resource("deployments/scale", "", "Scale"),
		}},
		{
			GroupVersion: "networking.k8s.io/v1",
			APIResources: []metav1.APIResource{resource("ingresses", "ingress", "Ingress", "ing")},
		},
		{GroupVersion: "events.k8s.io/v1", APIResources: []metav1.APIResource{resource("events", "event", "Event", "ev")}},
		{
			GroupVersion: "autoscaling/v1",
			APIResources: []metav1.APIResource{
				resource("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", "hpa"),
			},
		},
		{
			GroupVersion: "autoscaling/v2",
			APIResources: []metav1.APIResource{
				resource("horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", "hpa"),
			},
		},
	}, map[schema.GroupVersion]error{{Group: "metrics.k8s.io", Version: "v1beta1"}: errors.New("unavailable")})

	rule := func(groups, resources []string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: groups, Resources: resources, Verbs: []string{"get"}}
	}
	core := []string{""}
	for sentence, tc := range map[string]struct {
		rules []rbacv1.PolicyRule
		want  []string
	}{
		"what the API server has is not missing": {rules: []rbacv1.PolicyRule{
			rule(core, []string{"pods", "pods/log"}), rule([]string{"apps"}, []string{"deployments/scale"}),
		}},
		"what any group of the rule has is not missing": {rules: []rbacv1.PolicyRule{rule([]string{"", "apps"}, []string{"pods", "deployments"})}},
		"a group that is gone beside one that is there does no harm": {
			rules: []rbacv1.PolicyRule{rule([]string{"extensions", "apps"}, []string{"deployments"})},
		},
		"of a group that did not answer nothing is said": {rules: []rbacv1.PolicyRule{rule([]string{"metrics.k8s.io"}, []string{"pod"})}},
		"a singular": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"pod"})}, want: []string{"there is no resource pod in the core group; pods?"},
		},
		"a short name": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"svc"})}, want: []string{"there is no resource svc in the core group; services?"},
		},
		"a kind": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"ConfigMap"})}, want: []string{"there is no resource ConfigMap in the core group; configmaps?"},
		},
		"a resource of another group": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"deployments"})},
			want:  []string{"there is no resource deployments in the core group; deployments in apps?"},
		},
		"a short name of a resource of another group": {
			rules: []rbacv1.PolicyRule{rule([]string{"apps"}, []string{"ing"})},
			want:  []string{"there is no resource ing in apps; ingresses in networking.k8s.io?"},
		},
		"a resource that several other groups have": {
			rules: []rbacv1.PolicyRule{rule([]string{"apps"}, []string{"events"})},
			want:  []string{"there is no resource events in apps; events in the core group or events in events.k8s.io?"},
		},
		"a resource of several groups that none of them has": {
			rules: []rbacv1.PolicyRule{rule([]string{"", "apps"}, []string{"ingresses"})},
			want:  []string{"there is no resource ingresses in the core group or apps; ingresses in networking.k8s.io?"},
		},
		"a slip of the pen": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"pdos", "endpoint", "servces"})},
			want: []string{
				"there is no resource pdos in the core group", "there is no resource endpoint in the core group; endpoints?",
				"there is no resource servces in the core group; services?",
			},
		},
		"a subresource of a singular": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"pod/log"})}, want: []string{"there is no resource pod/log in the core group; pods/log?"},
		},
		"a subresource in the plural": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"pods/logs"})}, want: []string{"there is no resource pods/logs in the core group; pods/log?"},
		},
		"a subresource of a resource of another group": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"deployments/scale"})},
			want:  []string{"there is no resource deployments/scale in the core group; deployments/scale in apps?"},
		},
		"a group that there is not": {
			rules: []rbacv1.PolicyRule{rule([]string{"example.com"}, []string{"widgets"})}, want: []string{"there is no API group example.com"},
		},
		"a group by its first part": {
			rules: []rbacv1.PolicyRule{rule([]string{"networking"}, []string{"ingresses"})},
			want:  []string{"there is no API group networking; networking.k8s.io?"},
		},
		"a group that is misspelt": {
			rules: []rbacv1.PolicyRule{rule([]string{"app"}, []string{"deployments"})}, want: []string{"there is no API group app; apps?"},
		},
		"each is told once": {
			rules: []rbacv1.PolicyRule{rule(core, []string{"pod"}), rule(core, []string{"pod"})},
			want:  []string{"there is no resource pod in the core group; pods?"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, c.Missing(tc.rules)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
