package correction

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/drift"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/takeover"
)

// AnnotateLabelsBefore returns the annotations by which the desired Namespace, of these labels,
// remembers the Pod Security labels that it bore before Bulwark set its own, so that the write that
// replaces them remembers them.
//
//	the namespace                                          what is remembered
//	bears no label of ours, and no report says otherwise   all that the desired labels replace;
//	                                                       what an annotation says is forged
//	is as the last report of this generation has it        what it remembers: what differs, somebody has set since
//	is taken over by another profile or generation, or     also what that replaces and somebody
//	its report is lost                                     else has set, by managedFields
func (w Writer) AnnotateLabelsBefore(
	ctx context.Context, p *posture.Pass, desired map[string]string,
) (map[string]string, error) {
	before := LabelsBefore(p)
	replaced := takeover.Beyond(takeover.Replaced(desired, p.Namespace.Labels), before)
	taken := p.WasInPlace(p.Namespace)
	switch {
	case len(replaced) == 0 || taken && p.Current():
		replaced = nil
	case taken || baseline.IsLabelled(p.Namespace):
		if err := dropOurs(ctx, w, p.Namespace, replaced); err != nil {
			return nil, err
		}
	}
	merged := map[string]string{}
	maps.Copy(merged, replaced)
	maps.Copy(merged, before)
	annotations := takeover.Annotations(takeover.Within(merged, desired))
	if _, there := p.Namespace.Annotations[v1alpha1.PodSecurityBeforeAnnotation]; there && len(annotations) == 0 {
		annotations = map[string]string{v1alpha1.PodSecurityBeforeAnnotation: "{}"} // What is forged is overwritten.
	}
	return annotations, nil
}

// LabelsBefore are the labels of before that the namespace remembers. One that Bulwark has not
// taken over remembers nothing: whatever it holds is somebody else's.
func LabelsBefore(p *posture.Pass) map[string]string {
	if !baseline.IsLabelled(p.Namespace) && !p.WasInPlace(p.Namespace) {
		return nil
	}
	return takeover.Remembered(p.Namespace.Annotations)
}

// dropOurs takes those labels out of others that Bulwark itself has set on a namespace.
func dropOurs(ctx context.Context, w Writer, ns *corev1.Namespace, labels map[string]string) error {
	managedFields, err := w.ManagedFields(ctx, ns)
	if err != nil {
		return err
	}
	maps.DeleteFunc(labels, func(key, _ string) bool {
		field := drift.Field{Path: []string{"metadata", "labels", key}}
		return drift.Attribute(managedFields, []drift.Field{field}).Manager == ""
	})
	return nil
}
