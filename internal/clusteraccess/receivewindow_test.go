package clusteraccess

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// TestBoundReceiving counts how much a server can send to a client that does not read.
func TestBoundReceiving(t *testing.T) {
	for sentence, c := range map[string]struct {
		bounds bool
		most   int
	}{
		"bounded it is a window, and what is on the way": {true, receiveWindow + 512<<10},
		"another configuration keeps client-go's own":    {false, 8 << 20},
	} {
		t.Run(sentence, func(t *testing.T) {
			sent := make(chan int, 1)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 2 {
					t.Errorf("the client speaks %s", r.Proto)
				}
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
				n, chunk := 0, make([]byte, 16<<10)
				for n < 16<<20 {
					written, err := w.Write(chunk)
					if n += written; err != nil {
						break
					}
				}
				sent <- n
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			config := &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
			if c.bounds {
				BoundReceiving(config)
			}
			client, err := rest.HTTPClientFor(config)
			if err != nil {
				t.Fatal(err)
			}
			response, err := client.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // The server has ended it.
			n := <-sent
			if n > c.most || !c.bounds && n < 2*receiveWindow {
				t.Errorf("%d bytes were sent", n)
			}
		})
	}
}
