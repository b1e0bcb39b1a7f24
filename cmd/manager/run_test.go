package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestWaitsAreReadAndMustBeLongerThanNone(t *testing.T) {
	o, err := parse(nil, &bytes.Buffer{})
	if err != nil || o.RemovalDelay != 10*time.Second || o.JoinGrace != 30*time.Second {
		t.Errorf("by default: %s and %s, %v", o.RemovalDelay, o.JoinGrace, err)
	}
	o, err = parse([]string{"--removal-delay=1m", "--join-grace=5s"}, &bytes.Buffer{})
	if err != nil || o.RemovalDelay != time.Minute || o.JoinGrace != 5*time.Second {
		t.Errorf("as given: %s and %s, %v", o.RemovalDelay, o.JoinGrace, err)
	}
	for _, flag := range []string{"--removal-delay", "--join-grace"} {
		for _, value := range []string{"0", "0s", "-1s"} {
			if _, err := parse(
				[]string{flag + "=" + value},
				&bytes.Buffer{},
			); err == nil ||
				!strings.Contains(err.Error(), flag+" must be longer than 0") {
				t.Errorf("%s=%s: %v", flag, value, err)
			}
		}
	}
}
