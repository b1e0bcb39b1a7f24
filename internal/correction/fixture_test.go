package correction

import (
	"context"
	"errors"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/contention"
	"github.com/bulwark-dev/bulwark/internal/drift"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// An API server may answer these.
var (
	errRefused   = apierrors.NewForbidden(corev1.Resource("things"), "x", errors.New("no"))
	errGone      = apierrors.NewNotFound(corev1.Resource("things"), "x")
	errThere     = apierrors.NewAlreadyExists(corev1.Resource("things"), "x")
	errOvertaken = apierrors.NewConflict(corev1.Resource("things"), "x", errors.New("uid"))
	errBusy      = apierrors.NewServiceUnavailable("busy")
	errGoing     = &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: 403, Reason: metav1.StatusReasonForbidden,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}},
	}}
)

// server is an API server that answers each call as it is told to, in turn, and else takes it.
type server struct {
	client.Client
	calls   []string
	answers map[string][]error
	there   map[string]baseline.Object // what a read finds, by kind and name
	mutate  func(client.Object)        // what it makes of a write
}

func (s *server) answer(verb string, o client.Object) error {
	call := verb + " " + baseline.KindOf(o.(baseline.Object)).Kind + " " + o.GetName()
	s.calls = append(s.calls, call)
	answers := s.answers[verb]
	if len(answers) == 0 {
		return nil
	}
	s.answers[verb] = answers[1:]
	return answers[0]
}

func (s *server) written(verb string, o client.Object) error {
	err := s.answer(verb, o)
	if err == nil && s.mutate != nil {
		s.mutate(o)
	}
	return err
}

func (s *server) Create(_ context.Context, o client.Object, options ...client.CreateOption) error {
	if len((&client.CreateOptions{}).ApplyOptions(options).DryRun) > 0 {
		return s.answer("ask", o)
	}
	return s.written("create", o)
}

func (s *server) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.PatchOption) error {
	data, err := patch.Data(o)
	if err != nil {
		return err
	}
	if strings.Contains(string(data), "/metadata/finalizers") {
		return s.answer("release", o)
	}
	return s.written("patch", o)
}

func (s *server) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	return s.answer("update", o)
}

func (s *server) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	return s.answer("delete", o)
}

func (s *server) Apply(_ context.Context, _ runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	s.calls = append(s.calls, "apply")
	return nil
}

// read is what the API server holds of an object's kind and name.
func (s *server) read(_ context.Context, want baseline.Object) (baseline.Object, error) {
	if err := s.answer("read", want); err != nil {
		return nil, err
	}
	return s.there[baseline.KindOf(want).Kind+" "+want.GetName()], nil
}

// newEngine corrects what an API server holds at noon, and binds every role.
func newEngine(s *server) *Engine {
	settings := contention.DefaultSettings()
	return &Engine{
		Writer: Writer{Client: s}, Clock: testingclock.NewFakePassiveClock(noon), Contests: contention.New(settings),
		Mutations: contention.NewRetries(settings), PutBack: contention.NewRetries(settings),
		Read:         s.read,
		CheckBinding: func(context.Context, *rbacv1.RoleBinding) error { return nil },
	}
}

// backingOff is a profile that waits where its objects are contested.
func backingOff() *v1alpha1.SecurityProfile {
	return &v1alpha1.SecurityProfile{Spec: v1alpha1.SecurityProfileSpec{Contest: v1alpha1.ContestBackOff}}
}

// newScope is a pass over namespace shop that corrects and records everything.
func newScope() *Scope {
	return &Scope{
		Profile: backingOff(), Namespace: "shop", Current: true,
		Ours:      func(baseline.Object) bool { return true },
		Records:   func(*drift.Drift) bool { return true },
		Waits:     func(*drift.Outcome) bool { return true },
		Transient: IsOvertaken,
	}
}

// policyScope is a pass over policies that corrects and records everything.
func policyScope() *Scope {
	return OfPolicies(backingOff(),
		func(baseline.Object) bool { return true }, func(*drift.Drift) bool { return true })
}

// kinded is an empty object of a kind.
func kinded(kind, name string) baseline.Object {
	for _, kinds := range [][]baseline.Kind{baseline.Kinds, baseline.ClusterKinds} {
		for i := range kinds {
			if kinds[i].Kind == kind {
				o := kinds[i].New()
				o.SetName(name)
				o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl-edit"}})
				return o
			}
		}
	}
	panic(schema.GroupKind{Kind: kind})
}

func missing(want baseline.Object) drift.Drift {
	return drift.Drift{Object: baseline.Reference(want), Change: v1alpha1.DriftChangeMissing, Want: want}
}

func unexpected(got baseline.Object) drift.Drift {
	return drift.Drift{Object: baseline.Reference(got), Change: v1alpha1.DriftChangeUnexpected, Got: got}
}

// modified is a drift of an object in which these fields differ.
func modified(want baseline.Object, paths ...string) drift.Drift {
	d := drift.Drift{
		Object: baseline.Reference(want), Change: v1alpha1.DriftChangeModified,
		Want: want, Got: want.DeepCopyObject().(baseline.Object),
	}
	for _, path := range paths {
		d.Fields = append(d.Fields, drift.Field{Path: strings.Split(path, ".")})
	}
	return d
}

// nobodyManages reads objects of which no manager is known.
type nobodyManages struct{ client.Reader }

func (nobodyManages) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}
