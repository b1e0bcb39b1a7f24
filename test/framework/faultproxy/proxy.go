// Package faultproxy stands between an API server and one client of it, and makes the network and
// the server misbehave for that client alone: calls fail, answers are lost after the write took
// effect, watches are cut, expire or lag behind, and nothing gets through at all. It knows HTTP and
// how the API server answers. It may import client-go, and must never know who the client is.
package faultproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// Faults say how the proxy misbehaves. The zero value passes everything through.
type Faults struct {
	// Rate is the share of calls, watches included, that go wrong: from 0 to 1.
	Rate float64
	// WatchLife is how long a watch lives on average before it is cut, half of the time with the
	// event that says that its resource version has expired. Zero is for ever.
	WatchLife time.Duration
	// Lag is for how long the events of a watch are held back, those of open watches too: the
	// client's cache is that old.
	Lag time.Duration
}

// Proxy is a running proxy.
type Proxy struct {
	server   *httptest.Server
	target   *url.URL
	upstream http.RoundTripper
	forward  *httputil.ReverseProxy

	mu       sync.Mutex
	random   *rand.Rand
	faults   Faults
	isolated chan struct{} // closed when the isolation ends; nil while there is none
	onWrite  onWrite
	watches  lifetime        // of the watches that are open now
	stale    map[string]bool // the paths whose next watch is of a version that has expired

	injected atomic.Int64
}

// Start starts a proxy before the API server of the configuration. The seed decides which calls go
// wrong.
func Start(api *rest.Config, seed uint64) (*Proxy, error) {
	target, err := url.Parse(api.Host)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the API server: %w", err)
	}
	upstream, err := rest.TransportFor(rest.AnonymousClientConfig(api))
	if err != nil {
		return nil, fmt.Errorf("making a transport to the API server: %w", err)
	}
	p := &Proxy{
		target:   target,
		upstream: upstream,
		random:   rand.New(rand.NewPCG(seed, 0)),
		watches:  newLifetime(),
		stale:    map[string]bool{},
	}
	quiet := log.New(io.Discard, "", 0) // Aborted connections are what it is for.
	p.forward = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     upstream,
		FlushInterval: -1,
		ErrorLog:      quiet,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.EnableHTTP2 = true
	p.server.Config.ErrorLog = quiet
	p.server.StartTLS()
	return p, nil
}

// Config is the configuration of the same client by way of the proxy.
func (p *Proxy) Config(cfg *rest.Config) *rest.Config {
	through := rest.CopyConfig(cfg)
	through.Host = p.server.URL
	through.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return through
}

// Set changes how the proxy misbehaves. Watches that are open keep the life that they were given.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Isolate lets nothing through any more, in neither direction, and closes no connection.
func (p *Proxy) Isolate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isolated == nil {
		p.isolated = make(chan struct{})
	}
}

// Rejoin ends an isolation. The requests that were held back go on, and some of the writes reach
// the API server though their client has given them up.
func (p *Proxy) Rejoin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isolated != nil {
		close(p.isolated)
		p.isolated = nil
	}
}

// onWrite is what is to be called after a write.
type onWrite struct {
	to   func(path string) bool
	call func()
}

// OnNextWrite calls the function once, after the API server has carried out the next write to such
// a path and before the client hears of it. No function is called for nil.
func (p *Proxy) OnNextWrite(to func(path string) bool, call func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onWrite = onWrite{to: to, call: call}
}

// Injected is the number of faults so far.
func (p *Proxy) Injected() int64 { return p.injected.Load() }

// Cut closes all connections.
func (p *Proxy) Cut() { p.server.CloseClientConnections() }

// Close stops the proxy.
func (p *Proxy) Close() {
	p.Rejoin()
	p.server.CloseClientConnections()
	p.server.Close()
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") == "true" {
		p.serveWatch(w, r)
		return
	}
	if r.Method == http.MethodGet {
		p.barrier(r.Context())
		if fault := p.draw(reads); fault != nil {
			fault(p, w, r)
			return
		}
		p.forward.ServeHTTP(w, r)
		return
	}
	p.serveWrite(w, r)
}

// serveWrite reads the whole request first, so that it is the API server's even if the client goes
// away.
func (p *Proxy) serveWrite(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.barrier(r.Context())
	if r.Context().Err() != nil && p.chance(0.5) { // Given up by its client, but already on its way.
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	if fault := p.draw(writes); fault != nil {
		fault(p, w, r)
		return
	}
	answer := httptest.NewRecorder()
	p.forward.ServeHTTP(answer, r)
	p.written(r.URL.Path)
	p.barrier(r.Context())
	copyAnswer(w, answer)
}

// written makes the call of OnNextWrite.
func (p *Proxy) written(path string) {
	p.mu.Lock()
	next := p.onWrite
	due := next.call != nil && next.to(path)
	if due {
		p.onWrite = onWrite{}
	}
	p.mu.Unlock()
	if due {
		next.call()
	}
}

func copyAnswer(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // It fails if the client has gone, which is its own affair.
}

// barrier waits while the proxy is isolated.
func (p *Proxy) barrier(ctx context.Context) {
	p.mu.Lock()
	isolated := p.isolated
	p.mu.Unlock()
	if isolated == nil {
		return
	}
	p.injected.Add(1)
	select {
	case <-isolated:
	case <-ctx.Done():
		<-isolated // What has been sent arrives when the network is back, whoever still waits for the answer.
	}
}

// draw is the fault that the next call meets, or nil.
func (p *Proxy) draw(from []fault) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.random.Float64() >= p.faults.Rate {
		return nil
	}
	p.injected.Add(1)
	return from[p.random.IntN(len(from))]
}

func (p *Proxy) chance(share float64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.Float64() < share
}

// fault answers a call in a way of its own.
type fault func(*Proxy, http.ResponseWriter, *http.Request)

var (
	reads = []fault{
		refuse(http.StatusGone, metav1.StatusReasonExpired),
		refuse(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests),
		refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError),
		refuse(http.StatusGatewayTimeout, metav1.StatusReasonTimeout),
		abort,
	}
	writes = append([]fault{
		refuse(http.StatusConflict, metav1.StatusReasonConflict),
		lose(refuse(http.StatusGatewayTimeout, metav1.StatusReasonTimeout)),
		lose(refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError)),
		lose(abort),
	}, reads...)
)

// refuse answers without asking the API server.
func refuse(code int, reason metav1.StatusReason) fault {
	return func(_ *Proxy, w http.ResponseWriter, _ *http.Request) {
		status := failure(code, reason)
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
			status.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(status) // It fails if the client has gone.
	}
}

// abort breaks the connection.
func abort(*Proxy, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// lose lets the write take effect, and answers something else.
func lose(answer fault) fault {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request) {
		p.forward.ServeHTTP(httptest.NewRecorder(), r)
		answer(p, w, r)
	}
}

func failure(code int, reason metav1.StatusReason) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason,
		Message: "injected: " + strconv.Itoa(code) + " " + string(reason),
	}
}
