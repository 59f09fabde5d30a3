// Package score computes the instrumentation score of services by the public rules
// (github.com/instrumentation-score/spec, as of e6ee222, 9 April 2026), as far as the
// stores of traces, metrics and logs can answer them, and compares attributes with the
// registry of the semantic conventions.
package score

import (
	"maps"
	"slices"

	"throughline/internal/backend"
)

// Weights are what a rule of each impact counts.
var Weights = map[string]int{"critical": 40, "important": 30, "normal": 20, "low": 10}

// Left are the rules that are not computed, and why. A score says so.
var Left = map[string]string{
	"LOG-001": "it asks about 14 days of logs, and Loki keeps 72 hours here (loki/config.yaml)",
	"MET-002": "Prometheus keeps the unit of a metric that comes by OTLP only as the end of its name, and units such as {message} have no such end",
	"MET-003": "Prometheus keeps the unit of a metric that comes by OTLP only as the end of its name, so that a metric with another unit is another metric",
	"MET-005": "Prometheus adds the unit to the names of metrics that come by OTLP, and does not keep the names as they were sent",
	"SDK-001": "no store knows which versions of a language each version of an SDK supports",
	"SPA-003": "the specification has no criterion for it yet",
}

// Report is the score of several services.
type Report struct {
	// Traces is how many were looked at.
	Traces      int               `json:"traces"`
	Services    []Service         `json:"services"`
	NotComputed map[string]string `json:"notComputed"`
	// Conventions is the version of the semantic conventions that attributes are
	// compared with.
	Conventions string `json:"conventions"`
}

// Service is the score of one service.
type Service struct {
	Name string `json:"name"`
	// Score is 0 to 100: the weights of the rules that passed, of all that apply.
	Score    float64  `json:"score"`
	Category string   `json:"category"`
	Spans    int      `json:"spans"`
	Traces   int      `json:"traces"`
	Rules    []Result `json:"rules"`
	// Attributes are those that the conventions do not know so. The score does not
	// count them: no public rule asks for them.
	Attributes []Attribute `json:"attributes"`
	// Custom are the service's own attributes, in no namespace of the conventions.
	Custom []string `json:"custom"`
}

// Result is what one rule says of a service.
type Result struct {
	Rule   string `json:"rule"`
	Impact string `json:"impact"`
	Title  string `json:"title"`
	Passed bool   `json:"passed"`
	// Example and TraceID are the first offence. An offence of a metric has no trace.
	Example string `json:"example,omitempty"`
	TraceID string `json:"traceId,omitempty"`
}

// seenIn is what the traces have of each service, by name. A service that has no name
// is "".
func seenIn(traces []backend.Trace) map[string]*seen {
	services := map[string]*seen{}
	for _, trace := range traces {
		own := map[string][]backend.Span{}
		for _, span := range trace.Spans {
			own[span.Service] = append(own[span.Service], span)
		}
		for name, spans := range own {
			if services[name] == nil {
				services[name] = &seen{}
			}
			services[name].traces = append(services[name].traces, trace)
			services[name].spans = append(services[name].spans, spans)
		}
	}
	return services
}

// scores are those of the services, in the order of their names.
func scores(services map[string]*seen) []Service {
	all := []Service{}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		all = append(all, services[name].score(name))
	}
	return all
}

func (s seen) score(name string) Service {
	scored := Service{Name: name, Traces: len(s.traces)}
	for _, spans := range s.spans {
		scored.Spans += len(spans)
	}
	passed, all := 0, 0
	for _, r := range slices.Concat(rules, metricRules, logRules) {
		if r.applies != nil && !r.applies(s) {
			continue
		}
		example, trace := r.broken(s)
		scored.Rules = append(scored.Rules, Result{Rule: r.id, Impact: r.impact, Title: r.title, Passed: example == "", Example: example, TraceID: trace})
		all += Weights[r.impact]
		if example == "" {
			passed += Weights[r.impact]
		}
	}
	scored.Score = 100 * float64(passed) / float64(all)
	scored.Category = category(scored.Score)
	scored.Attributes, scored.Custom = s.attributes()
	return scored
}

func category(score float64) string {
	switch {
	case score >= 90:
		return "excellent"
	case score >= 75:
		return "good"
	case score >= 50:
		return "needs improvement"
	default:
		return "poor"
	}
}
