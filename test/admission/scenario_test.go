package admission

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/admission/offline"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/selection"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
)

// scenario is a profile, the namespace that it governs, and requests for it. Profile and namespace
// have the scenario's name.
type scenario struct {
	name string
	// spec is the profile's, as the inside of a YAML mapping. Without a namespaceSelector it
	// selects suite=<name>.
	spec string
	// others are further namespaces, with the same label suite, and with more labels.
	others map[string]string
	// outranking are profiles, as YAML, that go before; protected are globs.
	outranking, protected []string
	// held is what is in the namespace before the policies are.
	held []func(*testing.T) *unstructured.Unstructured
	// postures say of namespaces whether their report says that the baseline is in place; one that
	// is not listed has no report.
	postures map[string]bool
	// inForce are the rules of images that are in force where the declared ones wait.
	inForce string
	// outlived are those of them whose report speaks of an earlier namespace of that name.
	outlived []string
	// based says that the LimitRange and the service accounts of the profile are in place.
	based bool
	cases []testcase
	needs needs
}

// needs is what an API server has of a version on, if that is not empty. An older one drops the
// fields that are tested, so that there is nothing to refuse.
type needs struct{ version, feature string }

// skipWithout skips the test where the API server is too old.
func (s *suite) skipWithout(t *testing.T, n needs) {
	t.Helper()
	if n.version != "" {
		s.bed.SkipBefore(t, n.version, n.feature)
	}
}

// testcase is a request and what is to become of it.
type testcase struct {
	sentence string
	// object is what is created.
	object func(*testing.T) *unstructured.Unstructured
	// old is the kind and name of what is changed, or deleted if there is no change.
	old    string
	change func(*testing.T, *unstructured.Unstructured)
	// subresource is what the change is written to.
	subresource string
	// namespace is that of the scenario if it is empty; by is the tenant.
	namespace, by string
	// want is in what is said of the request, by denying or by warning; if it is empty the request
	// passes.
	want  string
	needs needs
}

// creating is a request that creates an object of a kind with a pod spec.
func creating(sentence, kind, podSpec, want string) testcase {
	return testcase{sentence: sentence, object: held(kind, "x", podSpec), want: want}
}

// pod is a request that creates a pod.
func pod(sentence, podSpec, want string) testcase { return creating(sentence, "Pod", podSpec, want) }

// held is an object with a pod spec, to be made when there is a test that may fail.
func held(kind, name, podSpec string) func(*testing.T) *unstructured.Unstructured {
	return func(t *testing.T) *unstructured.Unstructured { return withPodSpec(t, kind, name, podSpec) }
}

// manifest is any object.
func manifest(text string) func(*testing.T) *unstructured.Unstructured {
	return func(t *testing.T) *unstructured.Unstructured { return object(t, text) }
}

// containerRule is a rule that is asked of each container.
type containerRule struct {
	name, spec string
	// good and bad are the fields of a container that keeps the rule, and of one that breaks it.
	good, bad string
	// debuggable says that the rule is asked of ephemeral containers too.
	debuggable bool
	// more are the requests that are special to the rule.
	more []testcase
}

// scenario asks the rule of each kind, and of each kind of container.
func (r *containerRule) scenario() scenario {
	s := scenario{name: strings.ToLower(r.name), spec: r.spec, held: heldPods(only(r.good))}
	breaks := func(who string) string { return r.name + ": " + who + " must " }
	for _, kind := range kinds {
		s.cases = append(
			s.cases,
			creating(kind+" that keeps "+r.name, kind, only(r.good), ""),
			creating(kind+" that breaks "+r.name, kind, only(r.bad), breaks("container app")),
			creating(
				kind+" whose init container breaks "+r.name,
				kind,
				only(r.good, initially(r.bad)),
				breaks("container setup"),
			),
		)
	}
	s.cases = append(s.cases,
		pod("both containers break "+r.name, only(r.bad, initially(r.bad)), breaks("containers app, setup")),
		pod("both containers keep "+r.name, only(r.good, initially(r.good)), ""))
	if r.debuggable {
		s.cases = append(s.cases,
			testcase{sentence: "an ephemeral container breaks " + r.name, old: "Pod running", change: debugging(r.bad),
				subresource: "ephemeralcontainers", want: breaks("container debugger")},
			testcase{sentence: "an ephemeral container keeps " + r.name, old: "Pod running", change: debugging(r.good),
				subresource: "ephemeralcontainers"})
	}
	s.cases = append(s.cases, r.more...)
	return s
}

// stage is a scenario that is set up.
type stage struct {
	*suite
	scenario
	profile    *v1alpha1.SecurityProfile
	evaluator  *offline.Evaluator
	namespaces map[string]*corev1.Namespace
}

// scenarios are all there are.
func scenarios() []scenario {
	var all []scenario
	for _, rules := range [][]containerRule{securityContextRules, resourceRules, imageRules} {
		for i := range rules {
			all = append(all, rules[i].scenario())
		}
	}
	for _, more := range [][]scenario{podScenarios, resourceScenarios, imageScenarios, objectScenarios, whereScenarios, updateScenarios, waitingScenarios, protectionScenarios, schedulingScenarios} {
		all = append(all, more...)
	}
	return all
}

func (s *suite) testAgreement(t *testing.T) {
	var stages []*stage
	for _, sc := range scenarios() {
		stages = append(stages, s.build(t, sc))
	}
	for _, st := range stages {
		st.furnish(t)
	}
	for _, st := range stages {
		st.enforce(t)
	}
	for _, st := range stages {
		t.Run(st.name, func(t *testing.T) {
			st.skipWithout(t, st.needs)
			st.wait(t)
			for _, tc := range st.cases {
				t.Run(tc.sentence, func(t *testing.T) {
					st.skipWithout(t, tc.needs)
					st.check(t, tc)
				})
			}
		})
	}
	t.Logf("%d requests in %d scenarios", s.sent, len(stages))
	if s.sent < 200 {
		t.Errorf("only %d requests were sent", s.sent)
	}
}

// build makes the namespaces and the profile.
func (s *suite) build(t *testing.T, sc scenario) *stage {
	t.Helper()
	st := &stage{suite: s, scenario: sc, namespaces: map[string]*corev1.Namespace{}}
	labels := map[string]string{sc.name: ""}
	for name, more := range sc.others {
		labels[name] = more
	}
	for name, more := range labels {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"suite": sc.name}}}
		if key, value, ok := strings.Cut(more, "="); ok {
			ns.Labels[key] = value
		}
		s.create(t, ns)
		st.namespaces[name] = ns
	}
	st.profile = &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: sc.name}}
	read(t, sc.spec, &st.profile.Spec)
	if !strings.Contains(sc.spec, "namespaceSelector:") {
		st.profile.Spec.NamespaceSelector.MatchLabels = map[string]string{"suite": sc.name}
	}
	s.create(t, st.profile)
	return st
}

func read(t *testing.T, inside string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte("{"+strings.ReplaceAll(inside, "\t", " ")+"}"), into); err != nil {
		t.Fatalf("%v: %s", err, inside)
	}
}

// furnish puts into the namespaces what is in them before the policies are.
func (st *stage) furnish(t *testing.T) {
	t.Helper()
	for name := range st.namespaces {
		eventually(t, "a ServiceAccount in namespace "+name, func() (bool, error) {
			err := st.admin.Get(st.ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
			return err == nil, err
		})
		for _, of := range st.held {
			o := of(t)
			o.SetNamespace(name)
			st.create(t, o)
		}
		if ready, reported := st.postures[name]; reported {
			uid := st.namespaces[name].UID
			if slices.Contains(st.outlived, name) {
				uid = "of-another"
			}
			st.create(t, &v1alpha1.NamespacePosture{
				ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: v1alpha1.PostureName},
				Profile:    st.name, NamespaceUID: uid, Enforcement: v1alpha1.EnforcementEnforce, Status: fixture.Ready(ready),
			})
		}
	}
	if !st.based {
		return
	}
	for _, o := range baseline.Render(st.profile, st.name) {
		switch o := o.(type) {
		case *corev1.LimitRange:
			st.create(t, o)
		case *corev1.ServiceAccount:
			if err := st.admin.Create(st.ctx, o); err != nil { // The namespace's default is there.
				found := &corev1.ServiceAccount{}
				if err := st.admin.Get(st.ctx, client.ObjectKeyFromObject(o), found); err != nil {
					t.Fatal(err)
				}
				found.AutomountServiceAccountToken = o.AutomountServiceAccountToken
				if err := st.admin.Update(st.ctx, found); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// enforce applies the policies, and makes their evaluator.
func (st *stage) enforce(t *testing.T) {
	t.Helper()
	protected, err := selection.Protected(st.protected...)
	if err != nil {
		t.Fatal(err)
	}
	cluster := bulwark.Cluster{Operator: controlplane.OperatorUser, Protected: protected}
	if st.inForce != "" {
		cluster.Held = []bulwark.Held{{Policy: "bulwark-" + st.name + "-images", Content: st.inForce}}
	}
	for _, text := range st.outranking {
		outranking := &v1alpha1.SecurityProfile{}
		read(t, text, &outranking.Spec)
		cluster.Outranking = append(cluster.Outranking, outranking)
	}
	if st.evaluator, err = offline.New(st.profile, cluster); err != nil {
		t.Fatal(err)
	}
	st.apply(t, bulwark.Render(st.profile, cluster))
}

// wait waits until the API server enforces the policies: until it says something of the first
// request of which something is to be said.
func (st *stage) wait(t *testing.T) {
	t.Helper()
	for _, tc := range st.cases {
		if tc.want == "" {
			continue
		}
		r := st.request(t, tc)
		eventually(t, "the policies of "+st.name+" are in force", func() (bool, error) {
			v, err := st.ask(r)
			if err != nil {
				t.Fatalf("%s: %v", tc.sentence, err)
			}
			return v.Denied != "" || len(v.Warned) > 0 || st.logged(t, `\"policy\":\"`+v1alpha1.NamePrefix+st.name+"-") > 0, nil
		})
		return
	}
}

// logged counts how often the API server's audit log holds a text.
func (s *suite) logged(t *testing.T, text string) int {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(filepath.Dir(s.plane.Kubeconfig), "audit.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("audit logs: %v, %v", logs, err)
	}
	data, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), text)
}

func (st *stage) request(t *testing.T, tc testcase) request {
	t.Helper()
	namespace := tc.namespace
	if namespace == "" {
		namespace = st.name
	}
	r := request{subresource: tc.subresource, by: tc.by, namespace: st.namespaces[namespace]}
	if r.by == "" {
		r.by = tenant
	}
	if r.namespace == nil {
		t.Fatalf("there is no namespace %s", namespace)
	}
	if _, reported := st.postures[namespace]; reported {
		r.posture = &v1alpha1.NamespacePosture{}
		if err := st.admin.Get(
			st.ctx,
			client.ObjectKey{Namespace: namespace, Name: v1alpha1.PostureName},
			r.posture,
		); err != nil {
			t.Fatal(err)
		}
	}
	if tc.object != nil {
		r.object = tc.object(t)
		if r.object.GetKind() == "Namespace" {
			r.namespace = nil // It is in none.
			return r
		}
		r.object.SetNamespace(namespace)
		return r
	}
	kind, name, _ := strings.Cut(tc.old, " ")
	r.old = &unstructured.Unstructured{}
	r.old.SetAPIVersion(map[string]string{
		"Deployment": "apps/v1", "StatefulSet": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1", "CronJob": "batch/v1",
	}[kind])
	if r.old.GetAPIVersion() == "" {
		r.old.SetAPIVersion("v1")
	}
	r.old.SetKind(kind)
	if kind == "Namespace" {
		namespace, r.namespace = "", nil // It is in none.
	}
	if err := st.admin.Get(st.ctx, client.ObjectKey{Namespace: namespace, Name: name}, r.old); err != nil {
		t.Fatal(err)
	}
	if tc.change != nil {
		r.object = r.old.DeepCopy()
		tc.change(t, r.object)
	}
	return r
}

// check sends the request to both.
func (st *stage) check(t *testing.T, tc testcase) {
	t.Helper()
	st.sent++
	r := st.request(t, tc)
	violations, err := st.evaluator.Evaluate(st.ctx, offline.Request{
		Object:      r.object,
		OldObject:   r.old,
		Subresource: r.subresource,
		Namespace:   r.namespace,
		Posture:     r.posture,
		User:        r.user(),
	})
	if err != nil {
		t.Fatalf("the evaluator: %v", err)
	}
	recorded := st.recorded(t, violations)
	got, err := st.ask(r)
	if err != nil {
		t.Fatalf("the API server: %v", err)
	}
	for text, before := range recorded {
		eventually(t, "the audit log holds "+text, func() (bool, error) { return st.logged(t, text) > before, nil })
	}
	want := verdictOf(violations, got.Denied)
	want.Warned, got.Warned = sorted(want.Warned), sorted(got.Warned)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the evaluator and the API server do not agree (-evaluator +API server):\n%s", diff)
	}
	var all []string
	for _, v := range violations {
		all = append(all, v.Message)
	}
	switch words := strings.Join(all, "\n"); {
	case tc.want == "" && words != "":
		t.Errorf("it should pass, and is refused: %s", words)
	case !strings.Contains(words, tc.want):
		t.Errorf("what is said of it does not hold %q: %s", tc.want, words)
	}
}

// verdictOf is what the API server makes of violations. Of several policies that deny it has no
// order, and passes on any.
func verdictOf(violations []offline.Violation, passedOn string) verdict {
	var v verdict
	for _, violation := range violations {
		words := said(violation.Policy, violation.Message)
		switch {
		case violation.Action == "Warn":
			v.Warned = append(v.Warned, words)
		case violation.Action == "Deny" && (v.Denied == "" || words == passedOn):
			v.Denied = words
		}
	}
	return v
}

// recorded is how often the audit log holds, so far, what violations say that are only audited.
func (st *stage) recorded(t *testing.T, violations []offline.Violation) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, v := range violations {
		if v.Action == "Audit" {
			text := `\"message\":\"` + v.Message + `\",\"policy\":\"` + v.Policy + `\"`
			counts[text] = st.logged(t, text)
		}
	}
	return counts
}
