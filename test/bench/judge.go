package main

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/bulwark-dev/bulwark/internal/admission"
	"github.com/bulwark-dev/bulwark/internal/baseline"
)

// judgeOnboarding makes the figures of onboarding, and the samples.
func (b *bench) judgeOnboarding(operators, floors []onboarding) error {
	profile, err := restricted("any")
	if err != nil {
		return err
	}
	least := len(baseline.Render(profile, "any")) + 1 // and the report
	policies := len(admission.Objects(admission.Render(profile, admission.Cluster{})))
	namespaces := float64(b.Namespaces)
	for _, f := range floors {
		s := f.took.Seconds()
		b.results.sample("Onboard/by=floor", measure{s, "sec/op"}, measure{namespaces / s, "namespaces/sec"},
			measure{namespaces * float64(least) / s, "writes/sec"}, measure{f.cpuAPIServer, "apiserver-cpu-sec/op"})
	}
	var written, writtenPolicies, events, most int
	spacing := time.Duration(math.MaxInt64)
	for i, o := range operators {
		s, writes := o.took.Seconds(), len(of(o.writes, baselineWrite))
		written += writes
		writtenPolicies += len(policyWritesOf(operatorBatch(i+1), o.writes))
		events += len(of(o.writes, eventWrite))
		times := statusWritesOf(operatorBatch(i+1), o.writes)
		most = max(most, mostWithin(times, statusWindow))
		if least, ok := closest(times); ok {
			spacing = min(spacing, least)
		}
		b.results.sample("Onboard/by=operator", measure{s, "sec/op"}, measure{namespaces / s, "namespaces/sec"},
			measure{float64(writes) / s, "writes/sec"}, measure{float64(writes) / namespaces, "writes/namespace"},
			measure{float64(len(times)) / s, "status-writes/sec"},
			measure{o.cpuOperator, "operator-cpu-sec/op"}, measure{o.cpuAPIServer, "apiserver-cpu-sec/op"})
	}
	if most == 0 {
		return errors.New("the audit log holds no write of the profiles' status")
	}
	operator, floor := median(seconds(times(operators))), median(seconds(times(floors)))
	onboarded := namespaces * float64(len(operators))
	perNamespace := float64(written) / onboarded
	b.results.figure(information("onboarding, operator", operator, "s").because(
		"median; %s namespaces/s, %s writes/s", number(namespaces/operator), number(perNamespace*namespaces/operator)))
	b.results.figure(information("onboarding, floor", floor, "s").because(
		"median; %s namespaces/s, %s writes/s", number(namespaces/floor), number(float64(least)*namespaces/floor)))
	b.results.figure(information("onboarding, CPU of the operator", median(cpuOf(operators)), "s"))
	b.results.figure(judgeRounds(operators, floors))
	b.results.figure(
		figure{Name: "onboarding, writes over minimum", Value: perNamespace / float64(least)}.must(atMost, 1.05, 1).because(
			"%s of %d a namespace", number(perNamespace), least),
	)
	perProfile := float64(writtenPolicies) / float64(len(operators))
	b.results.figure(
		figure{
			Name:  "onboarding, writes of policies over minimum",
			Value: perProfile / float64(policies),
		}.must(exactly, 1, 1).
			because(
				"%s of %d policies and bindings, once for all namespaces", number(perProfile), policies),
	)
	b.results.figure(information("onboarding, events", float64(events)/onboarded, "/namespace"))
	b.results.figure(
		figure{Name: "status writes of a profile in a roll-out", Value: float64(most), Unit: "/s"}.must(atMost, 1, 1).because(
			"the most in any %s; the closest two %s apart", statusWindow, spacing.Round(time.Millisecond)),
	)
	return nil
}

// judgeRounds is the figure of onboarding: the median of what the operator took in each round over
// what the floor took in the same. The medians of each would be of different moments, and so would
// be their ratio on a machine that is not always as fast.
func judgeRounds(operators, floors []onboarding) figure {
	var ratios []float64
	var told []string
	for i := range operators {
		ratio := operators[i].took.Seconds() / floors[i].took.Seconds()
		ratios, told = append(ratios, ratio), append(told, number(ratio))
	}
	ratio := figure{Name: "onboarding, operator over floor", Value: median(ratios)}.must(atMost, 1.6, 1.2)
	return ratio.because("median of the rounds: %s", strings.Join(told, ", "))
}

func times(rounds []onboarding) []time.Duration {
	var times []time.Duration
	for _, o := range rounds {
		times = append(times, o.took)
	}
	return times
}

func cpuOf(rounds []onboarding) []float64 {
	var values []float64
	for _, o := range rounds {
		values = append(values, o.cpuOperator)
	}
	return values
}
