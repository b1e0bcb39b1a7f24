package tightening

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/tightening"
	"github.com/bulwark-dev/bulwark/test/framework/fixture"
	"github.com/bulwark-dev/bulwark/test/framework/generate"
)

// podsPerScenario is how many pods are held against the same LimitRanges.
const podsPerScenario = 10

// testMadeAnew has the API server admit generated pods where some LimitRanges are in place, and
// again, from the same manifests, where others are. What it says the second time is what tightening
// says of the pods that came of the first.
func (s *suite) testMadeAnew(t *testing.T) {
	var tally tally
	for want := cases(t); tally.judged < want && !t.Failed(); {
		rapid.Check(t, func(t *rapid.T) { s.tryScenario(t, &tally) })
	}
	t.Logf("%s", &tally)
}

// tally counts what was tried, so that a generator which tries nothing is seen.
type tally struct{ judged, refused, refusedBefore, unsaid, unnoted, invalid int }

func (c *tally) String() string {
	return fmt.Sprintf(
		"%d pods made anew: %d refused, %d for a quota; of %d more was not noted what was sent; %d were refused before, %d by themselves",
		c.judged,
		c.refused,
		c.unsaid,
		c.unnoted,
		c.refusedBefore,
		c.invalid,
	)
}

// scenario is a LimitRange that takes the place of another, beside those of others, and a quota
// that is the same before and after.
type scenario struct {
	*suite
	tally             *tally
	before, after     []corev1.LimitRangeItem
	others            [][]corev1.LimitRangeItem
	hard              corev1.ResourceList
	bare, first, then string // namespaces without LimitRanges, with the first ones, and with those that take their place
}

func (s *suite) tryScenario(t *rapid.T, tally *tally) {
	c := &scenario{suite: s, tally: tally, bare: s.namespace(t), first: s.namespace(t), then: s.namespace(t)}
	for i := range generate.OneOf(t, "others", 0, 0, 1, 2) {
		items := limitRange().Draw(t, "other")
		other := s.limit(t, c.first, fmt.Sprint("other-", i), items)
		if s.limit(t, c.then, fmt.Sprint("other-", i), items); other != nil {
			c.others = append(c.others, other)
		}
	}
	c.before = s.limit(t, c.first, "limits", limitRange().Draw(t, "before"))
	c.after = s.limit(t, c.then, "limits", limitRange().Draw(t, "after"))
	if once(t, 3, "has a quota") {
		c.hard = wide(
			rapid.SliceOfNDistinct(rapid.SampledFrom(mustBeSaid), 1, 3, rapid.ID[corev1.ResourceName]).Draw(t, "of"),
		)
		s.quota(t, c.then, c.hard)
	}
	for _, manifest := range rapid.SliceOfN(manifests(), podsPerScenario, podsPerScenario).Draw(t, "pods") {
		c.try(t, manifest, rapid.Bool().Draw(t, "applied"), once(t, 6, "unnoted"))
	}
}

// mustBeSaid are resources of which each container must say how much it needs where a quota counts
// them.
var mustBeSaid = []corev1.ResourceName{
	"cpu",
	"memory",
	"requests.cpu",
	"requests.memory",
	"limits.cpu",
	"limits.memory",
	"requests.ephemeral-storage",
}

// wide is a quota that leaves room for anything.
func wide(names []corev1.ResourceName) corev1.ResourceList {
	hard := corev1.ResourceList{}
	for _, name := range names {
		hard[name] = resource.MustParse("1E")
	}
	for _, name := range []corev1.ResourceName{"pods", "count/pods", "requests.example.com/gpu"} { // Larger is no whole number to Kubernetes.
		if _, counted := hard[name]; counted {
			hard[name] = resource.MustParse("1P")
		}
	}
	return hard
}

// limit puts a LimitRange in place, relaxed until the API server finds it valid, and says what it
// stores.
func (s *suite) limit(t reporter, namespace, name string, items []corev1.LimitRangeItem) []corev1.LimitRangeItem {
	t.Helper()
	if items == nil {
		return nil
	}
	var err error
	for _, items := range relaxed(items) {
		limits := &corev1.LimitRange{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       corev1.LimitRangeSpec{Limits: items},
		}
		if err = s.admin.Create(s.ctx, limits); err == nil {
			return limits.Spec.Limits
		}
		if !apierrors.IsInvalid(err) {
			break
		}
	}
	t.Fatalf("creating a LimitRange: %v\n%s", err, fixture.AsYAML(items))
	return nil
}

// quota puts a quota in place and waits until it is counted.
func (s *suite) quota(t reporter, namespace string, hard corev1.ResourceList) *corev1.ResourceQuota {
	t.Helper()
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "quota"},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}
	s.create(t, quota)
	err := wait.PollUntilContextTimeout(
		s.ctx,
		20*time.Millisecond,
		time.Minute,
		true,
		func(ctx context.Context) (bool, error) {
			err := s.admin.Get(ctx, client.ObjectKeyFromObject(quota), quota)
			return len(quota.Status.Used) == len(hard), err
		},
	)
	if err != nil {
		t.Fatalf("waiting until a quota is counted: %v", err)
	}
	return quota
}

// verdict is what the API server says to a pod.
type verdict string

const (
	admitted verdict = "admitted"
	refused  verdict = "refused"
	unsaid   verdict = "must specify"
)

// worseThan reports whether a verdict comes before another: the API server looks at quotas last.
func (v verdict) worseThan(other verdict) bool {
	return other == admitted && v != admitted || other == unsaid && v == refused
}

// ask asks the API server what it would make of a manifest.
func (s *suite) ask(t reporter, namespace string, manifest *corev1.Pod, apply bool) (*corev1.Pod, verdict, string) {
	t.Helper()
	pod := manifest.DeepCopy()
	pod.Namespace = namespace
	var err error
	if apply {
		pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
		//nolint:staticcheck // The typed form of server-side apply takes no pod as it is.
		err = s.admin.Patch(s.ctx, pod, client.Apply, client.FieldOwner("author"), client.DryRunAll)
	} else {
		err = s.admin.Create(s.ctx, pod, client.DryRunAll)
	}
	switch {
	case err == nil:
		return pod, admitted, ""
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "must specify"):
		return nil, unsaid, err.Error()
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return nil, refused, err.Error()
	}
	t.Fatalf("asking the API server: %v\n%s", err, fixture.AsYAML(manifest))
	return nil, "", ""
}

// judge is what tightening says of a pod.
func (c *scenario) judge(pod *corev1.Pod) (verdict, string) {
	limits := tightening.NewLimitCheck(c.after, c.before, c.others...)
	limits.Add(pod)
	if r := limits.Result(); !r.Empty() {
		return refused, r.Message()
	}
	quota := tightening.NewQuotaCheck(c.hard, limits, time.Now())
	quota.Add(pod)
	if r := quota.Result(); r.Total > 0 {
		return unsaid, r.Message()
	}
	return admitted, ""
}

// try makes a pod and makes it anew.
func (c *scenario) try(t *rapid.T, manifest *corev1.Pod, apply, unnote bool) {
	pod, before, _ := c.ask(t, c.first, manifest, apply)
	if before != admitted {
		c.tryOlder(t, manifest, apply)
		return
	}
	if unnote {
		pod.ManagedFields = nil
	}
	says, why := c.judge(pod)
	_, is, because := c.ask(t, c.then, manifest, apply)
	if says != is && (!unnote || !says.worseThan(is)) {
		if c.agreesInTheLongRun(t, manifest, apply, says) {
			return
		}
		t.Fatalf("the API server: %s %s\ntightening: %s %s\n%s", is, because, says, why, c.asYAML(manifest, pod))
	}
	if unnote {
		c.tally.unnoted++
		return
	}
	c.tally.count(is)
}

func (c *tally) count(is verdict) {
	c.judged++
	switch is {
	case refused:
		c.refused++
	case unsaid:
		c.unsaid++
	}
}

// tryOlder tries a pod that is older than the LimitRanges that refuse it now. What is refused
// already is not charged.
func (c *scenario) tryOlder(t *rapid.T, manifest *corev1.Pod, apply bool) {
	pod, alone, _ := c.ask(t, c.bare, manifest, apply)
	if alone != admitted {
		c.tally.invalid++
		return
	}
	c.tally.refusedBefore++
	if says, why := c.judge(pod); says == refused {
		if _, is, _ := c.ask(t, c.then, manifest, apply); is != refused && !c.refusedOnce(t, c.then, manifest, apply) {
			t.Fatalf("the API server admits a pod\ntightening: %s\n%s", why, c.asYAML(manifest, pod))
		}
	}
}

// patience is how often the API server is asked where it may not always say the same: of several
// LimitRanges it takes one or the other first, and those that were just made it may not have seen
// yet.
const patience = 100

// agreesInTheLongRun asks again and again. Tightening refuses what may be refused; what may have
// been refused before is no case.
func (c *scenario) agreesInTheLongRun(t *rapid.T, manifest *corev1.Pod, apply bool, says verdict) bool {
	if c.refusedOnce(t, c.first, manifest, apply) {
		c.tally.refusedBefore++
		return true
	}
	if len(c.others) > 0 && says == refused {
		c.tally.count(refused)
		return c.refusedOnce(t, c.then, manifest, apply)
	}
	again, before, _ := c.ask(t, c.first, manifest, apply)
	if before != admitted {
		return false
	}
	says, _ = c.judge(again)
	_, is, _ := c.ask(t, c.then, manifest, apply)
	c.tally.count(is)
	return says == is
}

// refusedOnce reports whether the API server refuses a pod at least once.
func (c *scenario) refusedOnce(t *rapid.T, namespace string, manifest *corev1.Pod, apply bool) bool {
	for range patience {
		if _, is, _ := c.ask(t, namespace, manifest, apply); is == refused {
			return true
		}
	}
	return false
}

func (c *scenario) asYAML(manifest, pod *corev1.Pod) string {
	return fixture.AsYAML(map[string]any{
		"before": c.before, "after": c.after, "others": c.others, "hard": c.hard, "manifest": manifest.Spec,
		"running": map[string]any{"spec": pod.Spec, "managedFields": pod.ManagedFields},
	})
}
