package auditpolicy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	auditinternal "k8s.io/apiserver/pkg/apis/audit"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/audit"
	"k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Explainer says which rule catches an event.
type Explainer struct {
	rules []Rule
	// each rule by itself, as one that records what it matches
	matches []audit.PolicyRuleEvaluator
	all     audit.PolicyRuleEvaluator
}

// NewExplainer reads rules as the API server does.
func NewExplainer(rules []Rule) (*Explainer, error) {
	e := &Explainer{rules: rules}
	for _, r := range rules {
		single := r
		single.Level = auditv1.LevelMetadata
		read, err := internal([]Rule{single})
		if err != nil {
			return nil, err
		}
		e.matches = append(e.matches, policy.NewPolicyRuleEvaluator(read))
	}
	read, err := internal(rules)
	if err != nil {
		return nil, err
	}
	e.all = policy.NewPolicyRuleEvaluator(read)
	return e, nil
}

func internal(rules []Rule) (*auditinternal.Policy, error) {
	text, err := json.Marshal(Policy(rules))
	if err != nil {
		return nil, fmt.Errorf("writing the audit policy: %w", err)
	}
	read, err := policy.LoadPolicyFromBytes(text)
	if err != nil {
		return nil, fmt.Errorf("reading the audit policy: %w", err)
	}
	return read, nil
}

// Rules are the rules.
func (e *Explainer) Rules() []Rule { return e.rules }

// Catch is the number of the rule that catches an event, from zero on, and the level at which it is
// recorded; -1 if there is none.
func (e *Explainer) Catch(event *auditv1.Event) (rule int, level auditv1.Level) {
	attributes := attributesOf(event)
	level = auditv1.Level(e.all.EvaluatePolicyRule(attributes).Level)
	for i := range e.matches {
		if e.matches[i].EvaluatePolicyRule(attributes).Level == auditinternal.LevelMetadata {
			return i, level
		}
	}
	return -1, level
}

// attributesOf is the request that an event is about.
func attributesOf(event *auditv1.Event) authorizer.Attributes {
	path := event.RequestURI
	if u, err := url.Parse(event.RequestURI); err == nil {
		path = u.Path
	}
	record := authorizer.AttributesRecord{
		User: &user.DefaultInfo{
			Name:   event.User.Username,
			UID:    event.User.UID,
			Groups: event.User.Groups,
		},
		Verb: event.Verb,
		Path: path,
	}
	if ref := event.ObjectRef; ref != nil {
		record.ResourceRequest = true
		record.APIGroup, record.APIVersion = ref.APIGroup, ref.APIVersion
		record.Resource, record.Subresource = ref.Resource, ref.Subresource
		record.Namespace, record.Name = ref.Namespace, ref.Name
	}
	return record
}

// maxEvent is how many bytes one event of a log has at most: that of the largest object, twice.
const maxEvent = 8 << 20

// Events reads events, one after the other, as an audit log has them: a JSON object a line.
func Events(from io.Reader, visit func(*auditv1.Event, int) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var event auditv1.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return fmt.Errorf("line %d is no audit event: %w", n, err)
		}
		if event.Kind != "Event" || event.Verb == "" {
			return fmt.Errorf("line %d is no audit event: it has no kind Event, or no verb", n)
		}
		if err := visit(&event, len(lines.Bytes())+1); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	return nil
}

// Estimate is how much an API server would write of the requests of a log.
type Estimate struct {
	// Rule is the number of a rule, from zero on.
	Rule   int
	Events int
	// BytesPerDay is how much it writes in a day.
	BytesPerDay float64
	// Lacking counts events that the rule records at a higher level than the log holds, so that
	// they will be larger.
	Lacking int
}

// Estimates tells how much the rules would write a day, by the log of an API server.
func (e *Explainer) Estimates(log io.Reader) ([]Estimate, time.Duration, error) {
	byRule := make([]Estimate, len(e.rules))
	for i := range byRule {
		byRule[i].Rule = i
	}
	var first, last time.Time
	err := Events(log, func(event *auditv1.Event, size int) error {
		at := event.StageTimestamp.Time
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		if event.Stage == auditv1.StageRequestReceived { // The policy leaves it out.
			return nil
		}
		rule, level := e.Catch(event)
		if rule < 0 || level == auditv1.LevelNone {
			return nil
		}
		of := &byRule[rule]
		of.Events++
		if ranks[level] > ranks[event.Level] {
			of.Lacking++
		}
		of.BytesPerDay += float64(size - beyond(event, level))
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	span := last.Sub(first)
	if span < time.Minute {
		return nil, span, errors.New("the log spans less than a minute, of which nothing can be told: give more of it")
	}
	for i := range byRule {
		byRule[i].BytesPerDay *= float64(24*time.Hour) / float64(span)
	}
	return byRule, span, nil
}

var ranks = map[auditv1.Level]int{
	auditv1.LevelNone:            0,
	auditv1.LevelMetadata:        1,
	auditv1.LevelRequest:         2,
	auditv1.LevelRequestResponse: 3,
}

// beyond is how many bytes of an event are not written at a level.
func beyond(event *auditv1.Event, level auditv1.Level) int {
	size := 0
	if ranks[level] < ranks[auditv1.LevelRequest] && event.RequestObject != nil {
		size += len(event.RequestObject.Raw) + len(`"requestObject":,`)
	}
	if ranks[level] < ranks[auditv1.LevelRequestResponse] && event.ResponseObject != nil {
		size += len(event.ResponseObject.Raw) + len(`"responseObject":,`)
	}
	return size
}
