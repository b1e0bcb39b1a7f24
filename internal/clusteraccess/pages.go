package clusteraccess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// FirstPage is how many objects the first page has. They fit into memory even if a tenant made
	// each as large as the API server allows.
	FirstPage = 10
	// PageBytes is about how large each further page is, estimated from the pages before it.
	PageBytes = 4 << 20
	// LargestPage is how many objects a further page has at most.
	LargestPage = 500
	// maxResponseBytes is how large the response for a further page may be. Its objects may be much
	// larger than those before them.
	maxResponseBytes = 2 * PageBytes
)

// errResponseTooLarge is the error of a response that was larger than its request permits, and that
// was not read to the end.
var errResponseTooLarge = errors.New("the answer is larger than is read at once")

// responseLimit is the context key of how large the response to a request may be.
type responseLimit struct{}

// EachPage reads up to a number of objects of one kind, page by page, and returns how many more
// exist at least. A page that is too large for memory is requested again as smaller pages.
func EachPage[L client.ObjectList](
	ctx context.Context, reader client.Reader, most int, newList func() L, visit func(L), options ...client.ListOption,
) (unseen int64, err error) {
	seen, page, token := 0, FirstPage, ""
	for {
		list, limit := newList(), min(page, most-seen)
		bounded := ctx
		if limit > FirstPage {
			bounded = context.WithValue(ctx, responseLimit{}, maxResponseBytes)
		}
		paging := []client.ListOption{client.Limit(int64(limit)), client.Continue(token)}
		err := reader.List(bounded, list, append(paging, options...)...)
		if errors.Is(err, errResponseTooLarge) {
			page = FirstPage
			continue
		}
		if err != nil {
			return 0, err
		}
		read := meta.LenList(list)
		size := sizeOf(list)
		visit(list)
		seen += read
		token = list.GetContinue()
		switch remaining := list.GetRemainingItemCount(); {
		case token == "":
			return 0, nil
		case seen >= most && remaining != nil:
			return *remaining, nil
		case seen >= most:
			return 1, nil // There are more, and the API server does not say how many.
		}
		page = max(FirstPage, min(LargestPage, PageBytes/max(1, size/max(1, read))))
	}
}

func sizeOf(list client.ObjectList) int {
	if sized, ok := list.(interface{ Size() int }); ok {
		return sized.Size()
	}
	return PageBytes
}

// responseLimiter is a transport that reads no response that is larger than the context of its
// request permits.
type responseLimiter struct{ http.RoundTripper }

// LimitResponses wraps a transport so that EachPage can bound the responses that it reads.
func LimitResponses(next http.RoundTripper) http.RoundTripper { return responseLimiter{next} }

// RoundTrip returns errResponseTooLarge instead of a response that is too large.
func (t responseLimiter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	limit, limited := request.Context().Value(responseLimit{}).(int)
	if err != nil || !limited {
		return response, err
	}
	defer func() { _ = response.Body.Close() }() // The rest of it is not read.
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading an answer: %w", err)
	case len(body) > limit:
		return nil, errResponseTooLarge
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
