package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
)

func TestLooksAreSpreadAndComeBack(t *testing.T) {
	l := newLooks()
	due := 0
	if l.due("first", noon) && l.due("second", noon) {
		t.Error("who begins to lead looks at once, and not spread")
	}
	for i := range 1000 {
		if l.due(fmt.Sprint("ns-", i), noon.Add(lookInterval/2)) {
			due++
		}
	}
	for i := range 1000 {
		if !l.due(fmt.Sprint("ns-", i), noon.Add(lookInterval)) {
			t.Errorf("ns-%d is not looked at within an interval of the start", i)
		}
	}
	l = newLooks()
	if due < 400 || due > 600 {
		t.Errorf("%d of 1000 are looked at in the first half of the interval", due)
	}
	l.plan("shop", noon.Add(time.Minute))
	for _, step := range []struct {
		what string
		at   time.Duration
		due  bool
		left time.Duration
	}{
		{"before", 30 * time.Second, false, 30 * time.Second},
		{"the clock is set back", 30*time.Second - 2*time.Hour, false, 30 * time.Second},
		{"a moment later", 45*time.Second - 2*time.Hour, false, 15 * time.Second},
		{"then", time.Minute - 2*time.Hour, true, time.Second},
		{"the clock is set forward", 0, true, time.Second},
	} {
		if got := l.due("shop", noon.Add(step.at)); got != step.due {
			t.Errorf("%s: want due %t, got %t", step.what, step.due, got)
		}
		if got := l.until("shop", noon.Add(step.at)); got != step.left {
			t.Errorf("%s: want %s left, got %s", step.what, step.left, got)
		}
	}
}

// pages is a namespace with many pods, of which it gives a page at a time.
type pages struct {
	client.Reader
	pods, asked int
	payload     string
}

func (p *pages) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	options := (&client.ListOptions{}).ApplyOptions(opts)
	from := 0
	if options.Continue != "" {
		if _, err := fmt.Sscan(options.Continue, &from); err != nil {
			return err
		}
	}
	p.asked++
	page := list.(*corev1.PodList)
	for i := from; i < min(from+int(options.Limit), p.pods); i++ {
		page.Items = append(page.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprint("pod-", i), Annotations: map[string]string{"payload": p.payload},
		}})
	}
	if next := from + int(options.Limit); next < p.pods {
		page.Continue, page.RemainingItemCount = fmt.Sprint(next), ptr.To(int64(p.pods-next))
	}
	return nil
}

func TestPodsAreReadPageByPageUpToABound(t *testing.T) {
	const large = clusteraccess.PageBytes / 20 // Twenty such pods are a page.
	for _, tt := range []struct{ pods, size, seen, asked, unseen int }{
		{0, 0, 0, 1, 0}, {1, 0, 1, 1, 0}, {clusteraccess.FirstPage, 0, clusteraccess.FirstPage, 1, 0}, {clusteraccess.FirstPage + 1, 0, clusteraccess.FirstPage + 1, 2, 0},
		{clusteraccess.FirstPage + clusteraccess.LargestPage + 1, 0, clusteraccess.FirstPage + clusteraccess.LargestPage + 1, 3, 0},
		{maxPods, 0, maxPods, 11, 0}, {maxPods + 7, 0, maxPods, 11, 7},
		{100, large, 100, 6, 0}, {100, 2 * clusteraccess.PageBytes, 100, 10, 0},
	} {
		p := &pages{pods: tt.pods, payload: strings.Repeat("x", tt.size)}
		seen := map[string]bool{}
		unseen, err := (&NamespaceReconciler{Live: p}).eachPod(t.Context(), "shop", func(pod *corev1.Pod) { seen[pod.Name] = true })
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != tt.seen || p.asked != tt.asked || unseen != int64(tt.unseen) {
			t.Errorf("of %d pods %d were seen on %d pages, and %d were not", tt.pods, len(seen), p.asked, unseen)
		}
	}
}
