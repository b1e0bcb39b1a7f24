// Package grafana reads the dashboard of config/grafana as Grafana's own types do, strictly: Grafana
// itself leaves out a field that it does not know, and shows something else. It may import Grafana's
// types, and must never know what the dashboard shows.
package grafana

import (
	"os"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func TestGrafanaKnowsEachFieldOfTheDashboard(t *testing.T) {
	content, err := os.ReadFile("../../config/grafana/bulwark.json")
	if err != nil {
		t.Fatal(err)
	}
	plugins.RegisterDefaultPlugins() // The options of each type of panel.
	var board dashboard.Dashboard
	// Without a failure it returns an empty list of them, which is no nil error.
	if err := board.UnmarshalJSONStrict(content); err != nil && err.Error() != "" {
		t.Error(err)
	}
	if err := board.Validate(); err != nil {
		t.Error(err)
	}
}
