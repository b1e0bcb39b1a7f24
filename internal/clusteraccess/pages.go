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
	// FirstPage is how many objects are read at first: as large as a tenant can make them, they fit
	// into memory.
	FirstPage = 10
	// PageBytes is about how large the next pages may be, by the size of those before.
	PageBytes = 4 << 20
	// LargestPage is how many objects they may hold.
	LargestPage = 500
	// answerBytes is how large the answer may be to a question for more than FirstPage. What the
	// next objects are like is up to who made them.
	answerBytes = 2 * PageBytes
)

// errLargeAnswer says that an answer was larger than it may be, and was not read.
var errLargeAnswer = errors.New("the answer is larger than is read at once")

// answerLimit is the key under which a context says how large an answer may be.
type answerLimit struct{}

// EachPage reads objects of one kind page by page, up to a number, and says how many there are at
// least beyond it. A page that is too large for memory is not read, but asked for again in smaller
// ones.
func EachPage[L client.ObjectList](
	ctx context.Context, reader client.Reader, most int, newList func() L, visit func(L), options ...client.ListOption,
) (unseen int64, err error) {
	seen, page, token := 0, FirstPage, ""
	for {
		list, limit := newList(), min(page, most-seen)
		asked := ctx
		if limit > FirstPage {
			asked = context.WithValue(ctx, answerLimit{}, answerBytes)
		}
		err := reader.List(asked, list, append([]client.ListOption{client.Limit(int64(limit)), client.Continue(token)}, options...)...)
		if errors.Is(err, errLargeAnswer) {
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
			return 1, nil // There are more; how many is not told.
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

// limitedTransport reads no answer that is larger than the context of its request permits.
type limitedTransport struct{ http.RoundTripper }

// LimitAnswers makes a transport that EachPage can rely on.
func LimitAnswers(next http.RoundTripper) http.RoundTripper { return limitedTransport{next} }

// RoundTrip is errLargeAnswer for an answer that is too large.
func (t limitedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(request)
	limit, limited := request.Context().Value(answerLimit{}).(int)
	if err != nil || !limited {
		return response, err
	}
	defer func() { _ = response.Body.Close() }() // What is not read of it is not waited for.
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading an answer: %w", err)
	case len(body) > limit:
		return nil, errLargeAnswer
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}
