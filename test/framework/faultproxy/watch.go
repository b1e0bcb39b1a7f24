package faultproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lifetime is shared by the watches that are open.
type lifetime struct {
	context.Context
	end context.CancelFunc
}

func newLifetime() lifetime {
	ctx, cancel := context.WithCancel(context.Background())
	return lifetime{ctx, cancel}
}

// ExpireWatches ends all open watches. The events that they hold back are lost, and their client
// must list anew, since what it would go on from has expired.
func (p *Proxy) ExpireWatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.injected.Add(1)
	p.watches.end()
	p.watches = newLifetime()
}

// joinWatches is the lifetime of a watch that begins now, or false if it would go on from what has
// expired.
func (p *Proxy) joinWatches(r *http.Request) (lifetime, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stale := p.stale[r.URL.Path] && r.URL.Query().Get("sendInitialEvents") != "true"
	delete(p.stale, r.URL.Path)
	return p.watches, !stale
}

// mustListAnew remembers that the client may not go on with a watch.
func (p *Proxy) mustListAnew(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale[r.URL.Path] = true
}

// serveWatch passes a watch on, with its lag, until its life is over.
func (p *Proxy) serveWatch(w http.ResponseWriter, r *http.Request) {
	p.barrier(r.Context())
	watches, ok := p.joinWatches(r)
	if !ok {
		refuse(http.StatusGone, metav1.StatusReasonExpired)(p, w, r)
		return
	}
	if fault := p.draw(reads); fault != nil {
		fault(p, w, r)
		return
	}
	open, expire := context.WithCancel(r.Context())
	defer expire()
	defer context.AfterFunc(watches, func() { p.mustListAnew(r); expire() })()
	ctx := open
	life, expires := p.lifeOfWatch()
	if life > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, life)
		defer cancel()
	}
	out := r.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host, out.Host = p.target.Scheme, p.target.Host, p.target.Host
	out.Header.Set("Accept-Encoding", "identity") // Events are passed on as they come.
	if expires {
		out.Header.Set("Accept", "application/json") // The event that ends it is written here, and so is in JSON.
	}
	answer, err := p.upstream.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	whole, err := p.copyEvents(open, w, answer.Body)
	endWatch(w, err == nil && ctx.Err() == nil, expires && whole && ctx.Err() != nil && open.Err() == nil)
}

// endWatch ends a watch as the API server has ended it, or by the event that it has expired, or else
// by breaking the connection.
func endWatch(w http.ResponseWriter, ended, expired bool) {
	switch {
	case ended:
	case expired:
		_ = json.NewEncoder(w).
			Encode(map[string]any{"type": "ERROR", "object": failure(http.StatusGone, metav1.StatusReasonExpired)})
	default:
		panic(http.ErrAbortHandler)
	}
}

// copyEvents passes on what comes, and reports whether the last event was passed on whole.
func (p *Proxy) copyEvents(ctx context.Context, w http.ResponseWriter, events io.Reader) (whole bool, err error) {
	flush := http.NewResponseController(w)
	buffer := make([]byte, 64<<10)
	whole = true
	for {
		n, err := events.Read(buffer)
		if n > 0 {
			p.barrier(ctx)
			p.lag(ctx)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if _, err := w.Write(buffer[:n]); err != nil {
				return false, err
			}
			if err := flush.Flush(); err != nil {
				return false, err
			}
			whole = bytes.HasSuffix(buffer[:n], []byte("\n"))
		}
		if err == io.EOF {
			return whole, nil
		}
		if err != nil {
			return whole, err
		}
	}
}

// lag holds events back for as long as the faults say now.
func (p *Proxy) lag(ctx context.Context) {
	p.mu.Lock()
	lag := p.faults.Lag
	p.mu.Unlock()
	if lag == 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(lag):
	}
}

// lifeOfWatch is how long a watch that begins now lives, zero for ever, and whether it ends with
// the event of its expiry.
func (p *Proxy) lifeOfWatch() (life time.Duration, expires bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults.WatchLife == 0 {
		return 0, false
	}
	p.injected.Add(1)
	return time.Duration(p.random.ExpFloat64() * float64(p.faults.WatchLife)), p.random.IntN(2) == 0
}
