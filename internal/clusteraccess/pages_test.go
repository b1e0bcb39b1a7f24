package clusteraccess

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestAnAnswerIsReadAsFarAsItsRequestPermits(t *testing.T) {
	for sentence, tc := range map[string]struct {
		limit  any
		answer int
		err    error
	}{
		"no limit":            {answer: 100},
		"less than the limit": {limit: 10, answer: 9},
		"as much as it":       {limit: 10, answer: 10},
		"more":                {limit: 10, answer: 11, err: errLargeAnswer},
	} {
		t.Run(sentence, func(t *testing.T) {
			ctx := t.Context()
			if tc.limit != nil {
				ctx = context.WithValue(ctx, answerLimit{}, tc.limit)
			}
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := LimitAnswers(answering(strings.Repeat("x", tc.answer))).RoundTrip(request)
			if !errors.Is(err, tc.err) {
				t.Fatalf("want %v, got %v", tc.err, err)
			}
			if err != nil {
				return
			}
			defer func() { _ = response.Body.Close() }()
			if body, err := io.ReadAll(response.Body); err != nil || len(body) != tc.answer {
				t.Errorf("%d bytes of %d, %v", len(body), tc.answer, err)
			}
		})
	}
}
