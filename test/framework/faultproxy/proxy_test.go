package faultproxy

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// api is what the proxy stands before: it counts writes, and a watch of it tells an event every 10
// ms.
type api struct {
	writes atomic.Int64
	config *rest.Config
}

func startAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			a.writes.Add(1)
		}
		if r.URL.Query().Get("watch") != "true" {
			return
		}
		events := time.NewTicker(10 * time.Millisecond)
		defer events.Stop()
		for r.Context().Err() == nil {
			fmt.Fprintln(w, `{"type":"BOOKMARK"}`)
			w.(http.Flusher).Flush()
			<-events.C
		}
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	a.config = &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	return a
}

func startProxy(t *testing.T, a *api) (*Proxy, *http.Client, string) {
	t.Helper()
	p, err := Start(a.config, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	cfg := p.Config(a.config)
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p, client, cfg.Host
}

// call is the status that the proxy answers.
func call(ctx context.Context, client *http.Client, method, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, nil
}

func TestCallsPassWithoutFaults(t *testing.T) {
	a := startAPI(t)
	_, client, url := startProxy(t, a)
	for range 20 {
		if status, err := call(t.Context(), client, http.MethodPost, url); err != nil || status != http.StatusOK {
			t.Fatalf("%d, %v", status, err)
		}
	}
	if n := a.writes.Load(); n != 20 {
		t.Errorf("20 writes were sent and %d arrived", n)
	}
}

func TestEveryFaultOfAWriteIsMet(t *testing.T) {
	a := startAPI(t)
	p, client, url := startProxy(t, a)
	p.Set(Faults{Rate: 1})
	met := map[string]int{}
	for range 200 {
		before := a.writes.Load()
		status, err := call(t.Context(), client, http.MethodPost, url)
		took := "refused"
		if a.writes.Load() > before {
			took = "carried out"
		}
		if err != nil {
			met["broken, "+took]++
			continue
		}
		met[fmt.Sprintf("%d, %s", status, took)]++
	}
	for _, want := range []string{
		"409, refused", "410, refused", "429, refused", "500, refused", "504, refused", "broken, refused",
		"500, carried out", "504, carried out", "broken, carried out",
	} {
		if met[want] == 0 {
			t.Errorf("of 200 writes none was %s: %v", want, met)
		}
	}
	if met["200, carried out"] > 0 {
		t.Errorf("with a rate of 1 some went well: %v", met)
	}
}

func TestAnOverloadedServerSaysWhenToComeBack(t *testing.T) {
	recorder := httptest.NewRecorder()
	refuse(http.StatusTooManyRequests, "TooManyRequests")(nil, recorder, nil)
	if recorder.Header().Get("Retry-After") != "1" {
		t.Errorf("headers: %v", recorder.Header())
	}
	status := failure(http.StatusGone, "Expired")
	if err := apierrors.FromObject(status); !apierrors.IsResourceExpired(err) {
		t.Errorf("client-go takes it for %v", err)
	}
}

func TestTheNextWriteIsToldOfOnce(t *testing.T) {
	a := startAPI(t)
	p, client, url := startProxy(t, a)
	told := 0
	p.OnNextWrite(func(path string) bool { return path == "/b" }, func() { told++ })
	for i, path := range []string{"/a", "/b", "/b"} {
		if _, err := call(t.Context(), client, http.MethodPut, url+path); err != nil {
			t.Fatal(err)
		}
		if want := min(i, 1); told != want {
			t.Errorf("after %d writes told %d times", i+1, told)
		}
	}
}

func TestAnIsolatedClientHearsNothingAndItsWritesArriveLate(t *testing.T) {
	a := startAPI(t)
	p, client, url := startProxy(t, a)
	p.Isolate()
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := call(impatient, client, http.MethodPost, url); err == nil {
		t.Error("an isolated client was answered")
	}
	answered := make(chan error, 1)
	go func() {
		_, err := call(t.Context(), client, http.MethodPost, url)
		answered <- err
	}()
	if n := a.writes.Load(); n != 0 {
		t.Errorf("%d writes arrived", n)
	}
	p.Rejoin()
	if err := <-answered; err != nil {
		t.Errorf("what was held back was not answered: %v", err)
	}
	if n := a.writes.Load(); n < 1 {
		t.Errorf("%d writes arrived after all", n)
	}
}

func TestAWatchExpiresOrBreaks(t *testing.T) {
	a := startAPI(t)
	p, client, url := startProxy(t, a)
	p.Set(Faults{WatchLife: 20 * time.Millisecond})
	expired, broken := 0, 0
	for range 20 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/?watch=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			broken++ // Its life was over before the first event.
			continue
		}
		last := ""
		lines := bufio.NewReader(response.Body)
		for err == nil {
			var line string
			if line, err = lines.ReadString('\n'); line != "" {
				last = line
			}
		}
		response.Body.Close()
		switch {
		case errors.Is(err, io.EOF) && strings.Contains(last, `"ERROR"`) && strings.Contains(last, `"code":410`):
			expired++
		case !errors.Is(err, io.EOF):
			broken++
		default:
			t.Fatalf("a watch ended with %v after %q", err, last)
		}
	}
	if expired == 0 || broken == 0 {
		t.Errorf("%d expired and %d broke", expired, broken)
	}
}

func TestExpiredWatchesMustBeListedAnew(t *testing.T) {
	a := startAPI(t)
	p, client, url := startProxy(t, a)
	watch := func(query string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/?watch=true"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		return client.Do(request)
	}
	for query, want := range map[string]int{"": http.StatusGone, "&sendInitialEvents=true": http.StatusOK} {
		open, err := watch("")
		if err != nil {
			t.Fatal(err)
		}
		p.ExpireWatches()
		if _, err := io.Copy(io.Discard, open.Body); err == nil {
			t.Error("an expired watch ended as if the server had ended it")
		}
		open.Body.Close()
		for _, want := range []int{want, http.StatusOK} {
			response, err := watch(query)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != want {
				t.Errorf("the next watch%s was answered %d, not %d", query, response.StatusCode, want)
			}
			response.Body.Close()
		}
	}
}
