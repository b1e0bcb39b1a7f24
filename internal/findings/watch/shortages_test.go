package watch

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulwark-dev/bulwark/internal/findings"
)

func attemptOf(name, message string, second int) *corev1.Event {
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "shop", Name: name},
		InvolvedObject: corev1.ObjectReference{Kind: "StatefulSet", Name: "db"}, Reason: findings.FailedCreate,
		Message: message, LastTimestamp: metav1.NewTime(time.Unix(int64(second), 0)),
	}
}

// TestWorkloadsConcernTheirNamespaceOnceTheyAreRefused takes workloads and events as they come when
// pods are created, and refused.
func TestWorkloadsConcernTheirNamespaceOnceTheyAreRefused(t *testing.T) {
	const refusal = `pods "db-0" is forbidden: violates PodSecurity "restricted:v1.37": privileged`
	var told []string
	u := unwatched(t, &told)
	set := func(name string, replicas int32) *appsv1.StatefulSet {
		return &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Status:     appsv1.StatefulSetStatus{Replicas: replicas},
		}
	}
	replicaSet := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Status: appsv1.ReplicaSetStatus{Conditions: []appsv1.ReplicaSetCondition{{
			Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: findings.FailedCreate, Message: refusal,
		}}},
	}
	replicaSets, sets, jobs := u.shortages[0], u.shortages[2], u.shortages[4]
	for _, step := range []struct {
		what string
		do   func() error
		told []string
	}{
		{"a StatefulSet is made", func() error { return sets.Add(set("db", 0)) }, nil},
		{"it has its pod", func() error { return sets.Update(set("db", 1)) }, nil},
		{"a Job is made", func() error {
			return jobs.Add(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sum"}})
		}, nil},
		{"the pod is lost", func() error { return sets.Update(set("db", 0)) }, nil},
		{"the next fails for another reason", func() error { return u.attempts.Add(attemptOf("a", "no", 1)) }, nil},
		{"the next is refused", func() error { return u.attempts.Add(attemptOf("b", refusal, 2)) }, []string{"shop"}},
		{"it is again, with the same words", func() error { return u.attempts.Update(attemptOf("b", refusal, 3)) }, nil},
		{"another workload is made", func() error { return sets.Add(set("other", 0)) }, nil},
		{"it is again, in another event", func() error { return u.attempts.Add(attemptOf("c", refusal, 4)) }, nil},
		{"then it fails for another reason again", func() error {
			return u.attempts.Update(attemptOf("a", "no", 5))
		}, []string{"shop"}},
		{"then it is refused again", func() error { return u.attempts.Update(attemptOf("c", refusal, 6)) }, []string{"shop"}},
		{"it comes", func() error { return sets.Update(set("db", 1)) }, []string{"shop"}},
		{"an old event goes", func() error { return u.attempts.Delete(attemptOf("b", refusal, 3)) }, nil},
		{"the last event goes", func() error { return u.attempts.Delete(attemptOf("c", refusal, 6)) }, []string{"shop"}},
		{"all is read anew", func() error { return sets.Replace([]any{set("db", 0), set("other", 0)}, "1") }, nil},
		{"a ReplicaSet says that it is refused", func() error { return replicaSets.Add(replicaSet) }, []string{"shop"}},
		{"it goes", func() error { return replicaSets.Delete(replicaSet) }, []string{"shop"}},
	} {
		told = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.told, told); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", step.what, diff)
		}
	}
}
