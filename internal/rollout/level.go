package rollout

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/bulwark-dev/bulwark/internal/baseline"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

// refusedByLevel asks the API server, by a dry run, which pods the enforced level of labels of the
// namespace would refuse. The pods themselves are judged in two cases:
//
//  1. the API server has not judged all of them;
//  2. it has named one of many: it names another each time, and the report would never be the same
//     twice.
func (g *Gate) refusedByLevel(
	ctx context.Context, p *posture.Pass, labels map[string]string,
) (*tightening.Refused, error) {
	warnings, err := g.scanner.WarningsOf(ctx, p.Namespace.Name, baseline.EnforcedLabels(labels))
	if err != nil {
		return nil, fmt.Errorf("asking what the Pod Security level of namespace %s would refuse: %w", p.Namespace.Name, err)
	}
	refused := tightening.RefusedByLevel(warnings)
	level, declared := findings.LevelOf(p.Profile)
	unseen := refused.Empty() && tightening.Unfinished(warnings)
	if !declared || !unseen && !refused.Unnamed() {
		return refused, nil
	}
	byPods, err := g.refusedByPods(ctx, p, level)
	switch {
	case err != nil:
		return nil, err
	case byPods.Empty():
		return refused.Nameless(), nil
	case !refused.Empty(): // It begins with the level.
		byPods.Reasons = append(refused.Reasons[:1:1], byPods.Reasons...)
	}
	return byPods, nil
}

// refusedByPods judges the pods themselves by a level.
func (g *Gate) refusedByPods(ctx context.Context, p *posture.Pass, level *findings.Level) (*tightening.Refused, error) {
	refused := &tightening.Refused{}
	_, err := g.scanner.EachPod(ctx, p.Namespace.Name, func(pod *corev1.Pod) {
		if violation, violates := level.Violation(pod); violates {
			refused.AddPod(pod.Name, violation)
		}
	})
	return refused, err
}
