package operator

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// recheck is how often it is looked again for what is missing.
const recheck = 10 * time.Second

// selfCheck looks for what the operator needs of the API server and does not have. The operator is
// not ready before the check has found nothing missing, and the log says what is.
type selfCheck struct {
	of      string // what is checked
	review  func(context.Context) (missing []string, err error)
	refusal func(missing []string) string // what is missing, in words, with the remedy
	log     logr.Logger

	mu      sync.Mutex
	done    bool
	missing []string
}

// run checks until nothing is missing or the context ends.
func (c *selfCheck) run(ctx context.Context) {
	for {
		missing, err := c.review(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			c.log.Error(err, "Could not check "+c.of)
		case err == nil && c.set(missing) && len(missing) > 0:
			c.log.Error(c.ready(nil), "The operator lacks what it needs")
		}
		if err == nil && len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(recheck):
		}
	}
}

// set remembers what is missing, and reports whether that is news.
func (c *selfCheck) set(missing []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	news := !c.done || !slices.Equal(c.missing, missing)
	c.done, c.missing = true, missing
	return news
}

// ready is the readiness check: nil once a review found nothing missing.
func (c *selfCheck) ready(*http.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.done:
		return errors.New(c.of + " have not been checked yet")
	case len(c.missing) > 0:
		return errors.New(c.refusal(c.missing))
	}
	return nil
}
