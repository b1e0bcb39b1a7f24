package rollout

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// Of unmanaged LimitRanges no more than these are taken into account: a tenant who writes more
// keeps their own pods out.
const (
	maxLimitRanges = 5000
	maxLimitBytes  = 4 << 20
)

// limitCheck is a check of the LimitRange of the baseline beside the unmanaged ones of the
// namespace: the API server gives a pod the defaults of all of them, and then judges it.
func (g *Gate) limitCheck(
	ctx context.Context, p *posture.Pass, desired []baseline.Object, candidates []*candidate,
) (*tightening.LimitCheck, error) {
	want := limitRangeOf(desired)
	var found []corev1.LimitRange
	bytes := 0
	newList := func() *corev1.LimitRangeList { return &corev1.LimitRangeList{} }
	_, err := clusteraccess.EachPage(ctx, g.live, maxLimitRanges, newList, func(list *corev1.LimitRangeList) {
		for i := range list.Items {
			limits := &list.Items[i]
			own := p.Ours(limits) || want != nil && limits.Name == want.Name
			if bytes += limits.Spec.Size(); own || bytes <= maxLimitBytes {
				found = append(found, *limits)
			}
		}
	}, client.InNamespace(p.Namespace.Name))
	if err != nil {
		return nil, fmt.Errorf("listing the LimitRanges of namespace %s: %w", p.Namespace.Name, err)
	}
	return limitCheckOf(p, found, want, candidates), nil
}

// limitCheckOf is a check of the desired LimitRange, if there is one, against what is in place of
// it. If it is no candidate, it judges no pods, and tells quotas what defaults there will be.
func limitCheckOf(
	p *posture.Pass, found []corev1.LimitRange, want *corev1.LimitRange, candidates []*candidate,
) *tightening.LimitCheck {
	var after, before []corev1.LimitRangeItem
	var others [][]corev1.LimitRangeItem
	if want != nil {
		after = want.Spec.Limits
	}
	for i := range found {
		limits := &found[i]
		bearsName := want != nil && limits.Name == want.Name
		switch {
		case p.Ours(limits), bearsName && p.Profile.Adopts():
			before = limits.Spec.Limits
		case bearsName: // It stays, and keeps ours out.
			after, others = nil, append(others, limits.Spec.Limits)
		default:
			others = append(others, limits.Spec.Limits)
		}
	}
	for _, c := range candidates {
		if _, ok := c.Want.(*corev1.LimitRange); ok {
			before = limitsOf(c.before)
		}
	}
	return tightening.NewLimitCheck(after, before, others...)
}

func limitRangeOf(objects []baseline.Object) *corev1.LimitRange {
	for _, o := range objects {
		if limits, ok := o.(*corev1.LimitRange); ok {
			return limits
		}
	}
	return nil
}

// limitsOf are the items of a LimitRange, if there is one.
func limitsOf(o baseline.Object) []corev1.LimitRangeItem {
	if limits, ok := o.(*corev1.LimitRange); ok {
		return limits.Spec.Limits
	}
	return nil
}
