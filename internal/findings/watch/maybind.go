package watch

import (
	"context"
	"sync"
	"time"
)

// MayBind asks the API server whether the operator may bind a ClusterRole by its name, in a
// namespace or, if that is empty, in all.
type MayBind func(ctx context.Context, namespace, clusterRole string) (bool, error)

// answerHolds is how long the API server's answer for all namespaces holds.
const answerHolds = 30 * time.Second

// bindAnswers remembers which ClusterRoles the operator may bind by name in all namespaces. It is
// asked only for those that permit what a profile must not grant:
//
//	the last answer for all namespaces | asked for all | asked for this one
//	none, older than answerHolds, or   | yes           | if the new answer is no
//	in the future                      |               |
//	yes                                | -             | -
//	no                                 | -             | yes
type bindAnswers struct {
	ask MayBind

	mu       sync.Mutex
	answered map[string]bindAnswer // by ClusterRole
}

// bindAnswer is an answer for all namespaces.
type bindAnswer struct {
	allowed bool
	at      time.Time
}

func newBindAnswers(ask MayBind) *bindAnswers {
	return &bindAnswers{ask: ask, answered: map[string]bindAnswer{}}
}

// allows reports whether the operator may bind a ClusterRole in all namespaces, or else in this
// one.
func (a *bindAnswers) allows(ctx context.Context, namespace, clusterRole string, now time.Time) (bool, error) {
	everywhere, known := a.last(clusterRole, now)
	if !known {
		var err error
		if everywhere, err = a.ask(ctx, "", clusterRole); err != nil {
			return false, err
		}
		a.note(clusterRole, bindAnswer{everywhere, now})
	}
	if everywhere {
		return true, nil
	}
	return a.ask(ctx, namespace, clusterRole)
}

func (a *bindAnswers) last(clusterRole string, now time.Time) (allowed, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, asked := a.answered[clusterRole]
	return last.allowed, asked && !now.Before(last.at) && now.Sub(last.at) < answerHolds
}

// note remembers an answer, and forgets those that hold no more.
func (a *bindAnswers) note(clusterRole string, answer bindAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, old := range a.answered {
		if answer.at.Sub(old.at) >= answerHolds {
			delete(a.answered, name)
		}
	}
	a.answered[clusterRole] = answer
}
