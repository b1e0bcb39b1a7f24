package clusteraccess

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type respondingWith string

func (a respondingWith) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestResponsesAreLimited(t *testing.T) {
	for sentence, tc := range map[string]struct {
		limit any
		bytes int
		err   error
	}{
		"no limit":            {bytes: 100},
		"less than the limit": {limit: 10, bytes: 9},
		"as much as it":       {limit: 10, bytes: 10},
		"more":                {limit: 10, bytes: 11, err: errResponseTooLarge},
	} {
		t.Run(sentence, func(t *testing.T) {
			ctx := t.Context()
			if tc.limit != nil {
				ctx = context.WithValue(ctx, responseLimit{}, tc.limit)
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := LimitResponses(respondingWith(strings.Repeat("x", tc.bytes))).RoundTrip(request)
			if !errors.Is(err, tc.err) {
				t.Fatalf("want %v, got %v", tc.err, err)
			}
			if err != nil {
				return
			}
			defer func() { _ = response.Body.Close() }()
			if body, err := io.ReadAll(response.Body); err != nil || len(body) != tc.bytes {
				t.Errorf("%d bytes of %d, %v", len(body), tc.bytes, err)
			}
		})
	}
}
