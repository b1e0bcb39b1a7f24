package clusteraccess

import (
	"net/http"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// receiveWindow is how much of one response the API server may send before it is read. Go's own
// window is 4 MiB for each watch, which a tenant can fill with many or large objects.
const receiveWindow = 256 << 10

// BoundReceiving makes the clients of a configuration buffer at most a window of each response.
func BoundReceiving(config *rest.Config) {
	if config.Proxy == nil {
		// The default, named: client-go shares the transports of configurations without one, and
		// one that is shared must not be changed.
		config.Proxy = http.ProxyFromEnvironment
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		if transport := baseTransport(next); transport != nil {
			// All other settings stay as client-go has them.
			transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: receiveWindow}
		}
		return next
	})
}

// baseTransport returns the transport that client-go wraps to follow rotated certificates, or nil.
func baseTransport(tripper http.RoundTripper) *http.Transport {
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
