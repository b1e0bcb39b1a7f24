package podscan

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/api/v1alpha1"
	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
	"github.com/bulwark-dev/bulwark/internal/findings"
	"github.com/bulwark-dev/bulwark/internal/posture"
	"github.com/bulwark-dev/bulwark/internal/tightening"
)

const (
	// maxPods is how many pods are read at most of one namespace.
	maxPods = 5000
	// timeout bounds a scan, so that the rest of the pass has time left.
	timeout = 10 * time.Second
)

// Scanner reads the pods of a namespace, and what the API server says of levels that they are to
// meet.
type Scanner struct {
	// Client asks the API server by dry runs.
	Client client.Client
	// Live reads pods, of which none is cached.
	Live client.Reader
	// Rules compiles the rules for pods.
	Rules *Rules
}

// EachPod reads the pods of a namespace page by page, up to a bound, and says how many there are
// beyond it.
func (s *Scanner) EachPod(ctx context.Context, namespace string, visit func(*corev1.Pod)) (unseen int64, err error) {
	newList := func() *corev1.PodList { return &corev1.PodList{} }
	unseen, err = clusteraccess.EachPage(ctx, s.Live, maxPods, newList, func(pods *corev1.PodList) {
		for i := range pods.Items {
			visit(&pods.Items[i])
		}
	}, client.InNamespace(namespace))
	if err != nil {
		return 0, fmt.Errorf("listing the pods of namespace %s: %w", namespace, err)
	}
	return unseen, nil
}

// WarningsOf asks the API server, by a dry run, what it would warn of if a namespace bore labels.
func (s *Scanner) WarningsOf(ctx context.Context, namespace string, labels map[string]string) ([]string, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		return nil, fmt.Errorf("writing a patch: %w", err)
	}
	ctx, warnings := clusteraccess.CollectWarnings(ctx)
	asked := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	err = s.Client.Patch(ctx, asked, client.RawPatch(types.MergePatchType, patch),
		client.DryRunAll, client.DisableReadYourWritesConsistency)
	if err != nil {
		return nil, err
	}
	return warnings.Texts(), nil
}

// exempt is what the API server says if it exempts the namespace from Pod Security. It says so only
// when a level changes, and so is asked to change the version of the one that is enforced.
func (s *Scanner) exempt(ctx context.Context, ns *corev1.Namespace) (string, error) {
	version := podsecurity.VersionLatest
	if ns.Labels[podsecurity.EnforceVersionLabel] == version {
		version = "v1.0"
	}
	warnings, err := s.WarningsOf(ctx, ns.Name, map[string]string{
		podsecurity.EnforceLevelLabel: string(podsecurity.LevelRestricted), podsecurity.EnforceVersionLabel: version,
	})
	if err != nil {
		return "", fmt.Errorf("asking whether namespace %s is exempt from Pod Security: %w", ns.Name, err)
	}
	return tightening.Exempt(warnings), nil
}

// Facts judges the pods of the namespace by the declared level and rules, and asks the API server
// whether it enforces a level there at all. Two things save a scan:
//
//  1. seen, what an earlier scan of the same pass has seen; nil if there was none;
//  2. the answer to a level that the pass has put in place, by which the API server has judged all
//     pods.
func (s *Scanner) Facts(
	ctx context.Context, p *posture.Pass, deferred *posture.Deferrals, level tightening.AppliedLevel, seen *Seen,
	now time.Time,
) (*findings.PodFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	facts := &findings.PodFacts{Violations: map[string]string{}}
	_, leveled := findings.LevelOf(p.Profile)
	told := level.Tightened && !deferred.Any() && tightening.Clean(level.Warnings)
	if !told || findings.LooksForInPods(p.Profile, v1alpha1.FindingIDWorkloadRuleViolated) {
		if seen == nil {
			var err error
			if seen, err = s.Scan(ctx, p, nil, now); err != nil {
				return nil, err
			}
		}
		facts.Violations, facts.Rules, facts.Unseen = seen.Violations, seen.ruleViolations(p.Profile), seen.Unseen
	}
	if told {
		facts.Exempt = tightening.Exempt(level.Warnings)
		return facts, nil
	}
	if !leveled {
		return facts, nil
	}
	var err error
	facts.Exempt, err = s.exempt(ctx, p.Namespace)
	return facts, err
}
