// Package parity tests that kubectl posture check and a real API server give the same verdict, in
// the same words.
package parity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/check"
	"github.com/bulwark-dev/bulwark/internal/manifests"
	"github.com/bulwark-dev/bulwark/internal/operator"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/workloads"
)

// cases is how many generated workloads are tried. PARITY_CASES=2000 tries as many as the guide's
// figure is of.
func cases(t *testing.T) int {
	t.Helper()
	text := os.Getenv("PARITY_CASES")
	if text == "" {
		return 300
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// suite is a control plane without the operator: what the operator would write is written here.
type suite struct {
	plane *controlplane.ControlPlane
	admin client.Client

	figures []string // rows of the table that is published
}

func TestParity(t *testing.T) {
	ctx := t.Context()
	plane, err := controlplane.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := plane.Install(ctx); err != nil {
		t.Fatal(err)
	}
	ctrllog.SetLogger(logr.Discard())
	admin, err := client.New(plane.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{plane: plane, admin: admin}
	t.Run("pod-security-admission's test data", s.testData)
	t.Run("generated workloads", s.testGenerated)
	t.Run("updates of generated workloads", s.testUpdates)
	t.Run("by the profiles of the cluster", s.testFromCluster)
	t.Run("by what users may do in the cluster", s.testRights)
	s.publish(t)
}

// testData judges each pod of pod-security-admission's test data at its level and version.
func (s *suite) testData(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").
		Output()
	if err != nil {
		t.Fatal(err)
	}
	levels, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "test", "testdata", "*", "v*"))
	if err != nil {
		t.Fatal(err)
	}
	tally := tally{of: "pods of pod-security-admission's test data, each at its level and version, created"}
	for _, dir := range levels {
		level, version := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
		name := level + "-" + strings.ReplaceAll(version, ".", "-")
		p := &v1alpha1.SecurityProfile{ObjectMeta: metav1.ObjectMeta{Name: name}}
		p.Spec.PodSecurity = &v1alpha1.PodSecurity{
			Enforce: v1alpha1.PodSecurityLevel(level),
			Version: v1alpha1.PodSecurityVersion(version),
		}
		s.govern(t, p, name)
		files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var documents []*manifests.Document
		for _, file := range files {
			documents = append(documents, read(t, file)...)
		}
		for _, d := range documents { // Files are named so, and pods may not be.
			d.Object.SetName(strings.ReplaceAll(d.Object.GetName(), "_", "-"))
		}
		s.compare(t, p, name, documents, nil, &tally)
	}
	s.report(t, &tally)
}

func read(t *testing.T, file string) []*manifests.Document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return documents(t, file, string(text))
}

func documents(t *testing.T, file, text string) []*manifests.Document {
	t.Helper()
	var all []*manifests.Document
	for d, problem := range manifests.Read(file, strings.NewReader(text)) {
		if problem != nil {
			t.Fatal(problem)
		}
		all = append(all, d)
	}
	return all
}

// testGenerated judges generated workloads by the sample restricted.
func (s *suite) testGenerated(t *testing.T) {
	p := sample(t)
	const name = "generated"
	s.govern(t, p, name)
	s.awaitPolicies(t, p, name)
	tally := tally{of: "generated workloads, by every rule of the sample `restricted`, created"}
	s.compare(t, p, name, documents(t, "generated.yaml", workloads.Stream(cases(t))), nil, &tally)
	s.report(t, &tally)
}

// sample is the sample restricted, without what a check takes to be in place (readyGate) and what
// hangs on what runs (quotas).
func sample(t *testing.T) *v1alpha1.SecurityProfile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(controlplane.Root(), "config", "samples", "restricted.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := &v1alpha1.SecurityProfile{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		t.Fatal(err)
	}
	p.Spec.Quotas, p.Spec.Protection.ReadyGate = nil, ""
	return p
}

// govern makes a namespace that a profile governs, as the operator would.
func (s *suite) govern(t *testing.T, p *v1alpha1.SecurityProfile, namespace string) {
	t.Helper()
	ctx := t.Context()
	labels := maps.Clone(p.Spec.NamespaceSelector.MatchLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	objects := baseline.Render(p, namespace)
	maps.Copy(labels, objects[0].GetLabels())
	s.create(ctx, t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}})
	for _, o := range objects[1:] {
		if o.GetName() == "default" { // kube-controller-manager makes it; the profile's say on its token is written into it.
			s.ownDefaultAccount(t, namespace, o)
			continue
		}
		s.create(ctx, t, o)
	}
	if p.Spec.RBAC == nil || p.Spec.RBAC.DefaultServiceAccount == nil {
		s.ownDefaultAccount(t, namespace, nil)
	}
	for _, o := range admission.Objects(admission.Render(p, admission.Cluster{Protected: []string{"kube-*"}, Operator: check.OperatorUser})) {
		s.create(ctx, t, o)
	}
}

// ownDefaultAccount waits for the ServiceAccount default, and has it be as the baseline says.
func (s *suite) ownDefaultAccount(t *testing.T, namespace string, desired baseline.Object) {
	t.Helper()
	eventually(t, "the ServiceAccount default is there", func() error {
		account := &corev1.ServiceAccount{}
		if err := s.admin.Get(
			t.Context(),
			client.ObjectKey{Namespace: namespace, Name: "default"},
			account,
		); err != nil ||
			desired == nil {
			return err
		}
		account.AutomountServiceAccountToken = desired.(*corev1.ServiceAccount).AutomountServiceAccountToken
		return s.admin.Update(t.Context(), account)
	})
}

func (s *suite) create(ctx context.Context, t *testing.T, o client.Object) {
	t.Helper()
	if err := s.admin.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
	}
}

// kept is a pod that keeps every rule of the sample restricted.
const kept = `{apiVersion: v1, kind: Pod, metadata: {name: kept}, spec: {automountServiceAccountToken: false, containers: [{name: app,
  image: "registry.example.com/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", imagePullPolicy: IfNotPresent,
  livenessProbe: {tcpSocket: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}},
  securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]},
    seccompProfile: {type: RuntimeDefault}}}]}}`

// awaitPolicies waits until each policy refuses a pod that breaks a rule of it alone: they are in
// force a second or two after they are stored.
func (s *suite) awaitPolicies(t *testing.T, p *v1alpha1.SecurityProfile, namespace string) {
	t.Helper()
	for policy, change := range map[string][2]string{
		"workloads": {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"}, "images": {"registry.example.com", "evil.example.com"},
	} {
		bad := documents(t, "kept", strings.Replace(kept, change[0], change[1], 1))[0].Object
		bad.SetNamespace(namespace)
		eventually(t, policy+" are in force", func() error {
			err := s.admin.Create(t.Context(), bad.DeepCopy(), client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), v1alpha1.NamePrefix+p.Name+"-"+policy) {
				return fmt.Errorf("it says %w", errors.Join(err, errors.New("and not what is awaited")))
			}
			return nil
		})
	}
}

func eventually(t *testing.T, what string, do func() error) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		err := do()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tally counts cases and differences.
type tally struct {
	of                         string
	mu                         sync.Mutex
	cases, refusals, otherwise int
	differences                []string
}

func (s *suite) report(t *testing.T, c *tally) {
	t.Helper()
	t.Logf("%d cases, of which %d are refused: %d differences; API validation refuses %d first, in words of its own",
		c.cases, c.refusals, len(c.differences), c.otherwise)
	for _, d := range c.differences[:min(len(c.differences), 20)] {
		t.Error(d)
	}
	s.figures = append(
		s.figures,
		fmt.Sprintf("| %s | %d | %d | %d | %d |", c.of, c.cases, c.refusals, c.otherwise, len(c.differences)),
	)
}

// publish writes the figures where PARITY_FIGURES says.
func (s *suite) publish(t *testing.T) {
	file := os.Getenv("PARITY_FIGURES")
	if file == "" || t.Failed() {
		return
	}
	text := "# Parity with the API server\n\nMade by `make parity`: what `kubectl posture check` says of a request is held against the answer of a real API " +
		"server of Kubernetes\n1.37 to that request, with the profile applied and the namespace governed.\n\n" +
		"| cases | tried | refused | refused by both, by the API server's validation first | differences |\n| --- | --- | --- | --- | --- |\n" +
		strings.Join(
			s.figures,
			"\n",
		) + "\n\nA difference is another verdict, or other words. API validation comes before some of the rules, and a check knows it only for requests and\n" +
		"limits: where it refuses what the check refuses, too, the words are its own, which the fourth column counts.\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// given are sources of documents, one of each.
func given(documents []*manifests.Document) []*manifests.Source {
	var sources []*manifests.Source
	for _, d := range documents {
		sources = append(sources, manifests.Given(d))
	}
	return sources
}

// compare holds what a check says of the request that creates each document, or updates what there
// is of it, against what the API server says.
func (s *suite) compare(
	t *testing.T,
	p *v1alpha1.SecurityProfile,
	namespace string,
	documents, old []*manifests.Document,
	tally *tally,
) {
	t.Helper()
	said := s.checked(t, p, namespace, documents, old)
	gate := make(chan struct{}, 8)
	var wait sync.WaitGroup
	for _, d := range documents {
		gate <- struct{}{}
		wait.Go(func() {
			defer func() { <-gate }()
			warnings, err := s.send(t, d, namespace, old != nil)
			difference, otherwise := differs(said[d], err, warnings)
			tally.mu.Lock()
			defer tally.mu.Unlock()
			tally.cases++
			if err != nil {
				tally.refusals++
			}
			if otherwise {
				tally.otherwise++
			}
			if difference != "" {
				text, _ := yaml.Marshal(d.Object.Object)
				tally.differences = append(tally.differences, fmt.Sprintf("%s: %s\n%s", d.File, difference, text))
			}
		})
	}
	wait.Wait()
}

// send creates a document as it would be, or updates what there is of it, and gives the API
// server's warnings and refusal.
func (s *suite) send(t *testing.T, d *manifests.Document, namespace string, update bool) ([]string, error) {
	t.Helper()
	warnings := &collected{}
	cfg := rest.CopyConfig(s.plane.Config)
	cfg.WarningHandlerWithContext = warnings
	sender, err := client.New(cfg, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Error(err)
		return nil, err
	}
	object := d.Object.DeepCopy()
	object.SetNamespace(namespace)
	if update {
		err = sender.Update(t.Context(), object, client.DryRunAll)
	} else {
		err = sender.Create(t.Context(), object, client.DryRunAll)
	}
	return warnings.texts, err
}

// checked is what a check says of documents that the API server says of them, too.
func (*suite) checked(
	t *testing.T,
	p *v1alpha1.SecurityProfile,
	namespace string,
	documents, old []*manifests.Document,
) map[*manifests.Document][]check.Result {
	t.Helper()
	report, err := check.Run(t.Context(), check.Input{
		Profiles:  []v1alpha1.SecurityProfile{*p},
		Manifests: given(documents),
		Old:       old,
		Namespace: namespace,
		Now:       time.Now(),
		User: &user.DefaultInfo{
			Name:   "kubernetes-admin",
			Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	said := map[*manifests.Document][]check.Result{}
	for _, result := range report.Results {
		r := *result
		// Where the API server warns of a template whose pods it will refuse, the refusal is told
		// in place of the warning.
		if _, violates, found := strings.Cut(r.Answer, " is forbidden: violates PodSecurity "); r.OfPods && found {
			r.Action, r.Answer, r.OfPods = check.Warn, "would violate PodSecurity "+violates, false
		}
		if !r.OfPods && r.Action != check.Audit && !strings.HasPrefix(r.Rule, "finding/") &&
			!strings.HasPrefix(r.Rule, "quota/") {
			said[r.Document] = append(said[r.Document], r)
		}
	}
	return said
}

// differs says in what two verdicts differ; nothing if they do not. Of several that refuse, the API
// server tells one. Otherwise says that API validation, which a check does not have but for
// requests and limits, refuses first what is refused by both.
func differs(results []check.Result, err error, warnings []string) (difference string, otherwise bool) {
	var denied, warned []string
	for _, r := range results {
		if r.Action != check.Deny {
			warned = append(warned, r.Answer)
			continue
		}
		denied = append(denied, r.Answer)
	}
	switch {
	case (err != nil) != (len(denied) > 0):
		return fmt.Sprintf("the API server says %v, and the check %q", err, denied), false
	case err != nil && slices.ContainsFunc(denied, func(answer string) bool { return sameWords(answer, err.Error()) }):
		return "", false
	case err != nil && apierrors.IsInvalid(err):
		return "", true
	case err != nil:
		return fmt.Sprintf("the API server says %v, and the check %q", err, denied), false
	}
	for _, text := range warnings {
		if strings.HasPrefix(text, "would violate PodSecurity") &&
			!slices.ContainsFunc(warned, func(answer string) bool { return sameWarning(answer, text) }) {
			return fmt.Sprintf("the API server warns %q, and the check %q", text, warned), false
		}
	}
	return "", false
}

// hostPort is what Pod Security has against ports of the host.
var hostPort = regexp.MustCompile(`, hostPort \([^)]*\)`)

// sameWarning compares a warning with an answer. In the host's network the API server makes each
// port of a pod one of the host, and of a template none: the refusal of the pods, which is told in
// place of the warning of their template, lists more of them.
func sameWarning(answer, warning string) bool {
	if strings.Contains(warning, "hostNetwork=true") {
		answer, warning = hostPort.ReplaceAllString(answer, ""), hostPort.ReplaceAllString(warning, "")
	}
	return answer == warning
}

// sameWords compares answers. LimitRanger and API validation list several in brackets, the former
// in no order.
func sameWords(answer, said string) bool {
	if answer == said {
		return true
	}
	for _, verb := range []string{" is forbidden: ", " is invalid: "} {
		before, reason, found := strings.Cut(answer, verb)
		if list, isList := strings.CutPrefix(said, before+verb+"["); found && isList && strings.Contains(list, reason) {
			return true
		}
	}
	return false
}

// collected are warnings.
type collected struct{ texts []string }

// HandleWarningHeaderWithContext collects a warning.
func (c *collected) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	c.texts = append(c.texts, text)
}
