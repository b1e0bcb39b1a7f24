package publish

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	reportsv1alpha1 "github.com/openreports/reports-api/apis/openreports.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/openreports"
)

// stored is the Report that a cache, or the API server, holds, and how a write is answered.
type stored struct {
	client.Client
	report  *reportsv1alpha1.Report
	answer  error
	written []*reportsv1alpha1.Report
}

var reports = schema.GroupResource{Group: reportsv1alpha1.GroupName, Resource: "reports"}

func (s *stored) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if s.report == nil {
		return apierrors.NewNotFound(reports, key.Name)
	}
	s.report.DeepCopyInto(into.(*reportsv1alpha1.Report))
	return nil
}

func (s *stored) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	s.written = append(s.written, o.(*reportsv1alpha1.Report))
	return s.answer
}

func (s *stored) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	s.written = append(s.written, o.(*reportsv1alpha1.Report))
	return s.answer
}

func TestWrite(t *testing.T) {
	posture := &v1alpha1.NamespacePosture{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: v1alpha1.PostureName, UID: "own"}, Profile: "strict",
	}
	same := openreports.Render(posture)
	changed := func(changes ...func(*reportsv1alpha1.Report)) *reportsv1alpha1.Report {
		report := same.DeepCopy()
		for _, change := range changes {
			change(report)
		}
		return report
	}
	annotated := func(r *reportsv1alpha1.Report) { r.Annotations = map[string]string{"cost": "7"} }
	older := func(r *reportsv1alpha1.Report) { r.Summary.Pass = 7 }
	unlabelled := func(r *reportsv1alpha1.Report) { r.Labels = nil }
	unmanaged := func(r *reportsv1alpha1.Report) { unlabelled(r); r.OwnerReferences[0].UID = types.UID("another") }
	exists := apierrors.NewAlreadyExists(reports, v1alpha1.ReportName)
	terminating := apierrors.NewForbidden(reports, v1alpha1.ReportName, errors.New("it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for sentence, tt := range map[string]struct {
		cached, live *reportsv1alpha1.Report
		answer       error
		written      *reportsv1alpha1.Report // nil is nothing
		occupied     bool
		refused      int
		fails        bool
	}{
		"there is none": {written: same},
		"there is none, and the namespace terminates": {written: same, answer: terminating},
		"there is none, and the API server takes none": {
			written: same, answer: apierrors.NewForbidden(reports, "bulwark", errors.New("no")), refused: 1, fails: true,
		},
		"it says the same":                   {cached: same},
		"it says the same, and is annotated": {cached: changed(annotated)},
		"it says something older":            {cached: changed(older), written: same},
		"annotations of others stay":         {cached: changed(older, annotated), written: changed(annotated)},
		"it has been changed meanwhile": {
			cached: changed(older), written: same,
			answer: apierrors.NewConflict(reports, "bulwark", errors.New("too late")), fails: true,
		},
		"it is gone meanwhile": {
			cached: changed(older), written: same, answer: apierrors.NewNotFound(reports, "bulwark"), refused: 1,
		},
		"its name is occupied by an unmanaged Report": {
			live: changed(unmanaged), written: same, answer: exists, occupied: true,
		},
		"it exists meanwhile, and says the same": {live: same, written: same, answer: exists},
	} {
		t.Run(sentence, func(t *testing.T) {
			refused := 0
			cache := &stored{report: tt.cached, answer: tt.answer}
			w := &Writer{
				Reports: cache, Live: &stored{report: tt.live}, Refused: func() { refused++ },
				Room: func(_ context.Context, _ *v1alpha1.NamespacePosture, _ v1alpha1.ObjectReference, write func() error) error {
					return write()
				},
			}
			occupied, err := w.Write(t.Context(), posture)
			if occupied != tt.occupied || err != nil != tt.fails || refused != tt.refused {
				t.Errorf("occupied %t, refused %d times, %v", occupied, refused, err)
			}
			var want []*reportsv1alpha1.Report
			if tt.written != nil {
				want = append(want, tt.written)
			}
			if diff := cmp.Diff(want, cache.written); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("one that lost its label has it again", func(t *testing.T) {
		cache := &relabelled{stored{answer: exists}}
		w := &Writer{Reports: cache, Live: &stored{report: changed(unlabelled)}, Room: func(
			_ context.Context, _ *v1alpha1.NamespacePosture, _ v1alpha1.ObjectReference, write func() error,
		) error {
			return write()
		}}
		if occupied, err := w.Write(t.Context(), posture); occupied || err != nil {
			t.Errorf("occupied %t, %v", occupied, err)
		}
		if diff := cmp.Diff([]*reportsv1alpha1.Report{same, same}, cache.written); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
	})
}

// relabelled refuses only to create.
type relabelled struct{ stored }

func (s *relabelled) Update(_ context.Context, o client.Object, _ ...client.UpdateOption) error {
	s.written = append(s.written, o.(*reportsv1alpha1.Report))
	return nil
}
