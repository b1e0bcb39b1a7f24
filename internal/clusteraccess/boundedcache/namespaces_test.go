package boundedcache

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func TestProgressOfAWatch(t *testing.T) {
	at := func(version string, annotations map[string]string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version, Annotations: annotations}}
	}
	var sent progress
	sent.note(watch.Event{Type: watch.Added, Object: at("7", nil)})
	sent.note(watch.Event{Type: watch.Bookmark, Object: at("8", nil)})
	if sent.complete {
		t.Error("what was there at first is still coming")
	}
	initialEventsEnd := map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	sent.note(watch.Event{Type: watch.Bookmark, Object: at("9", initialEventsEnd)})
	sent.note(watch.Event{Type: watch.Deleted, Object: at("12", nil)})
	sent.note(watch.Event{Type: watch.Error, Object: &metav1.Status{}})
	if !sent.complete || sent.version != "12" {
		t.Errorf("it has sent %+v", sent)
	}
}
