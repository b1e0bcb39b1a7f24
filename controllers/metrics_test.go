package controllers

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestACorrectionTakesNoNegativeTime(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	metrics.corrected("restricted", "Role", 2*time.Second)
	metrics.corrected("restricted", "Role", -time.Hour) // The clock was set back.
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "bulwark_correction_duration_seconds" {
			continue
		}
		histogram := family.GetMetric()[0].GetHistogram()
		if histogram.GetSampleCount() != 2 || histogram.GetSampleSum() != 2 {
			t.Errorf("want 2 corrections in 2 seconds, got %d in %v", histogram.GetSampleCount(), histogram.GetSampleSum())
		}
	}
}
