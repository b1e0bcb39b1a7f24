package clusteraccess

import (
	"net/http"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// receiveWindow is how much of one answer the API server may send ahead of who reads it. Go's own
// window of 4 MiB for each watch is what somebody fills who makes the watches long.
const receiveWindow = 256 << 10

// BoundReceiving has the clients of a configuration hold no more of each answer than a window.
func BoundReceiving(config *rest.Config) {
	if config.Proxy == nil {
		// The default, named: client-go shares the transports of configurations without one, and
		// one that is shared must not be changed.
		config.Proxy = http.ProxyFromEnvironment
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		if transport := innermost(next); transport != nil {
			// What is not set here stays as client-go has it.
			transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: receiveWindow}
		}
		return next
	})
}

// innermost is what client-go wraps to follow rotated certificates, or nil.
func innermost(tripper http.RoundTripper) *http.Transport {
	for {
		switch t := tripper.(type) {
		case *http.Transport:
			return t
		case utilnet.RoundTripperWrapper:
			tripper = t.WrappedRoundTripper()
		default:
			return nil
		}
	}
}
