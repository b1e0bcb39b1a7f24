// Grafana's own types of a dashboard. A module of its own, so that they never enter the operator's build.
module github.com/bulwark-dev/bulwark/test/grafana

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
