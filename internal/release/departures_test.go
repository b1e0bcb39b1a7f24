package release

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// Each step of a departure asks at a time after noon how long there is to wait, or ends it.
func TestDepartures(t *testing.T) {
	type step struct {
		at   time.Duration
		uid  types.UID
		ends bool
		want time.Duration
	}
	for sentence, steps := range map[string][]step{
		"it begins with the first look":             {{want: 10 * time.Second}},
		"a look in between does not begin anew":     {{want: 10 * time.Second}, {at: 4 * time.Second, want: 6 * time.Second}},
		"it is over when the delay is":              {{want: 10 * time.Second}, {at: 10 * time.Second}},
		"and stays so":                              {{want: 10 * time.Second}, {at: time.Minute}, {at: 2 * time.Minute}},
		"once it has ended, the next one waits":     {{want: 10 * time.Second}, {at: 5 * time.Second, ends: true}, {at: 6 * time.Second, want: 10 * time.Second}},
		"another namespace of the name waits":       {{want: 10 * time.Second}, {at: time.Minute, uid: "another", want: 10 * time.Second}},
		"a clock that is set back begins it anew":   {{want: 10 * time.Second}, {at: -time.Hour, want: 10 * time.Second}, {at: 10*time.Second - time.Hour}},
		"a clock that jumps forward brings its end": {{want: 10 * time.Second}, {at: time.Hour}},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := NewDepartures(10 * time.Second)
			for i, s := range steps {
				if s.ends {
					d.End("shop")
					continue
				}
				ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: s.uid}}
				if got := d.Wait(ns, noon.Add(s.at)); got != s.want {
					t.Errorf("step %d: wait %s, want %s", i, got, s.want)
				}
			}
		})
	}
}

func TestServiceAccountsGoLast(t *testing.T) {
	account := func(name string) baseline.Object {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "bulwark-a"}}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	var released []string
	for _, o := range accountsLast([]baseline.Object{account("bulwark-app"), quota, account("default"), account("bulwark-job"), namespace}) {
		released = append(released, o.GetName())
	}
	if diff := cmp.Diff([]string{"bulwark-a", "default", "shop", "bulwark-app", "bulwark-job"}, released); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
}
