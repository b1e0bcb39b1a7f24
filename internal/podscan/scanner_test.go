package podscan

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulwark-dev/bulwark/internal/clusteraccess"
)

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
	const first, further = clusteraccess.FirstPage, clusteraccess.LargestPage
	for _, tt := range []struct{ pods, size, seen, asked, unseen int }{
		{0, 0, 0, 1, 0}, {1, 0, 1, 1, 0}, {first, 0, first, 1, 0},
		{first + 1, 0, first + 1, 2, 0},
		{first + further + 1, 0, first + further + 1, 3, 0},
		{maxPods, 0, maxPods, 11, 0}, {maxPods + 7, 0, maxPods, 11, 7},
		{100, large, 100, 6, 0}, {100, 2 * clusteraccess.PageBytes, 100, 10, 0},
	} {
		p := &pages{pods: tt.pods, payload: strings.Repeat("x", tt.size)}
		seen := map[string]bool{}
		unseen, err := (&Scanner{Live: p}).EachPod(t.Context(), "shop", func(pod *corev1.Pod) { seen[pod.Name] = true })
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != tt.seen || p.asked != tt.asked || unseen != int64(tt.unseen) {
			t.Errorf("of %d pods %d were seen on %d pages, and %d were not", tt.pods, len(seen), p.asked, unseen)
		}
	}
}
