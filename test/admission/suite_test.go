// Package admission holds what the policies of package internal/admission do in a real API server
// against what internal/admission/offline says that they do: the same requests are sent to both,
// and verdicts and words must agree.
package admission

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	bulwark "github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/test/framework/controlplane"
	"github.com/bulwark-dev/bulwark/test/framework/testbed"
)

const (
	// tenant is the user whose requests are judged.
	tenant = "tenant"
	// responder may do the same, and is in the group of those who break glass.
	responder  = "responder"
	responders = "sre-on-call"
)

// groupsOf are the groups that a user is in.
func groupsOf(name string) []string {
	groups := []string{user.AllAuthenticated}
	if name == responder {
		groups = append(groups, responders)
	}
	return groups
}

// TestAdmission shares one control plane, since that takes the longest.
func TestAdmission(t *testing.T) {
	s := start(t)
	t.Run("what is rendered type-checks", s.testTypeChecking)
	t.Run("what is rendered is what is stored", s.testFixpoint)
	t.Run("the API server and the evaluator agree", s.testAgreement)
	t.Run("any name can break glass", s.testBreakGlassNames)
	t.Run("at the bounds of the CRD", s.testBounds)
}

// suite is a control plane without the operator.
type suite struct {
	ctx    context.Context
	bed    *testbed.Cluster
	plane  *controlplane.ControlPlane
	admin  client.Client
	warned *warnings
	// senders are clients by the name of the user that they are.
	senders map[string]client.Client
	sent    int
}

func start(t *testing.T) *suite {
	t.Helper()
	bed := testbed.Installed(t, controlplane.TypeChecked())
	s := &suite{ctx: bed.Context, bed: bed, plane: bed.Plane, warned: &warnings{}, senders: map[string]client.Client{}}
	s.admin = s.clientAs(t, "")
	for _, name := range []string{tenant, responder, controlplane.OperatorUser} {
		s.senders[name] = s.clientAs(t, name)
	}
	for _, manifest := range []string{
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: tenants},
		  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}, subjects: [{kind: User, name: tenant}, {kind: User, name: responder}]}`,
		// The ClusterRole admin lacks these.
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: debuggers}, rules: [
		  {apiGroups: [""], resources: [pods/ephemeralcontainers, pods/resize], verbs: [update, patch]},
		  {apiGroups: [""], resources: [namespaces], verbs: [create, update, patch]}]}`,
		`{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: debuggers},
		  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: debuggers}, subjects: [{kind: User, name: tenant}, {kind: User, name: responder},
		    {kind: User, name: "` + controlplane.OperatorUser + `"}]}`,
	} {
		s.create(t, object(t, manifest))
	}
	return s
}

// clientAs is a client that is a user, or the administrator.
func (s *suite) clientAs(t *testing.T, name string) client.Client {
	t.Helper()
	cfg := rest.CopyConfig(s.plane.Config)
	if name != "" {
		cfg.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: groupsOf(name)}
	}
	cfg.WarningHandlerWithContext = s.warned
	return client.WithFieldOwner(s.bed.ClientOf(t, cfg), v1alpha1.FieldManager)
}

func (s *suite) create(t *testing.T, o client.Object) {
	t.Helper()
	if err := s.admin.Create(s.ctx, o); err != nil {
		t.Fatalf("creating %T %s/%s: %v", o, o.GetNamespace(), o.GetName(), err)
	}
}

// apply puts the policies of a profile in force.
func (s *suite) apply(t *testing.T, policies []bulwark.Policy) {
	t.Helper()
	for _, o := range bulwark.Objects(policies) {
		s.create(t, o.DeepCopyObject().(client.Object))
	}
}

// eventually waits until something is so: policies are in force a second or two after they are
// stored.
func eventually(t *testing.T, what string, is func() (bool, error)) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		so, err := is()
		if so {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// warnings are those that the API server has sent with the latest responses.
type warnings struct {
	sync.Mutex
	texts []string
}

func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.Lock()
	defer w.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) take() []string {
	w.Lock()
	defer w.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

// verdict is what becomes of a request.
type verdict struct {
	// Denied is the policy that denies it and what it says; the API server passes on the first.
	Denied string
	// Warned is the same of those that warn.
	Warned []string
}

var (
	denied = regexp.MustCompile(`(?s)ValidatingAdmissionPolicy '([^']*)' with binding '[^']*' denied request: (.*)$`)
	warned = regexp.MustCompile(
		`(?s)^Validation failed for ValidatingAdmissionPolicy '([^']*)' with binding '[^']*': (.*)$`,
	)
)

func said(policy, message string) string { return policy + ": " + message }

// ask sends the request to the API server, which does as if.
func (s *suite) ask(r request) (verdict, error) {
	s.warned.take()
	sender, ok := s.senders[r.by]
	if !ok {
		return verdict{}, fmt.Errorf("there is no sender %q", r.by)
	}
	err := send(s.ctx, sender, r)
	var v verdict
	for _, text := range s.warned.take() {
		if found := warned.FindStringSubmatch(text); found != nil {
			v.Warned = append(v.Warned, said(found[1], found[2]))
		}
	}
	if err == nil {
		return v, nil
	}
	found := denied.FindStringSubmatch(err.Error())
	if found == nil {
		return v, err
	}
	if !apierrors.IsForbidden(err) &&
		!strings.HasPrefix(found[2], "failed to configure binding: ") { // Which is the API server's own answer.
		return v, fmt.Errorf("refused otherwise than as forbidden: %w", err)
	}
	v.Denied = said(found[1], found[2])
	return v, nil
}

func send(ctx context.Context, c client.Client, r request) error {
	switch {
	case r.object == nil:
		return c.Delete(ctx, r.old.DeepCopy(), client.DryRunAll)
	case r.old == nil:
		return c.Create(ctx, r.object.DeepCopy(), client.DryRunAll)
	case r.subresource != "":
		return c.SubResource(r.subresource).Update(ctx, r.object.DeepCopy(), client.DryRunAll)
	}
	return c.Update(ctx, r.object.DeepCopy(), client.DryRunAll)
}

// request is one for the API server and for the evaluator.
type request struct {
	object, old *unstructured.Unstructured
	subresource string
	by          string
	namespace   *corev1.Namespace
	posture     *v1alpha1.NamespacePosture
}

func (r *request) user() user.Info {
	return &user.DefaultInfo{Name: r.by, Groups: groupsOf(r.by)}
}

func sorted(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return texts
}
