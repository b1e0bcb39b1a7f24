package validation

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = DescribeTable(
	"Pod Security is refused for",
	ExpectOnlyBadRefused,
	unknownLevel("enforce"),
	unknownLevel("audit"),
	unknownLevel("warn"),
	unknownVersion(
		"1.37",
	),
	unknownVersion("v1"),
	unknownVersion("v1.037"),
	unknownVersion("vX"),
	unknownVersion("v1.37.2"),
	unknownVersion("v2.0"),
	unknownVersion("Latest"),
	unknownVersionOf("enforce"),
	unknownVersionOf("audit"),
	unknownVersionOf("warn"),
	versionWithoutMode("enforce", "audit"),
	versionWithoutMode("audit", "warn"),
	versionWithoutMode("warn", "enforce"),
	Entry("no mode", refusal{
		in: selecting(`podSecurity: {%s}`), good: "warn: restricted", bad: "",
		path: "spec.podSecurity", reason: "podSecurity must set at least one of enforce, audit and warn",
	}),
	Entry("a version and no mode", refusal{
		in: selecting(`podSecurity: {version: latest%s}`), good: ", audit: restricted", bad: "",
		path: "spec.podSecurity", reason: "podSecurity must set at least one of enforce, audit and warn",
	}),
)

const versionPattern = `should match '^(latest|v1\.(0|[1-9][0-9]{0,2}))$'`

func unknownLevel(mode string) TableEntry {
	return Entry("an unknown level of "+mode, refusal{
		in:     selecting(`podSecurity: {` + mode + `: %s}`),
		good:   "privileged",
		bad:    "Restricted",
		path:   "spec.podSecurity." + mode,
		reason: `Unsupported value: "Restricted": supported values: "privileged", "baseline", "restricted"`,
	})
}

func unknownVersion(version string) TableEntry {
	return Entry("the version "+version, refusal{
		in: selecting(`podSecurity: {enforce: restricted, version: "%s"}`), good: "v1.37", bad: version,
		path: "spec.podSecurity.version", reason: versionPattern,
	})
}

func unknownVersionOf(mode string) TableEntry {
	return Entry("an unknown version of "+mode, refusal{
		in:   selecting(`podSecurity: {` + mode + `: restricted, ` + mode + `Version: "%s"}`),
		good: "latest", bad: "1.37",
		path: "spec.podSecurity." + mode + "Version", reason: versionPattern,
	})
}

func versionWithoutMode(mode, another string) TableEntry {
	return Entry("a version of "+mode+" without "+mode, refusal{
		in:   selecting(`podSecurity: {` + another + `: baseline, ` + mode + `Version: v1.37%s}`),
		good: ", " + mode + ": restricted", bad: "",
		path: "spec.podSecurity", reason: mode + "Version needs " + mode,
	})
}
