package evaluate

import (
	"math"
	"strings"
	"testing"

	"throughline/internal/evaluate/result"
)

// kept is an evaluation in which every objective is reached.
func kept() *result.Results {
	zero := 0
	r := &result.Results{
		Correctness: &result.Correctness{
			Logins: 3000, MessagesLost: &zero, MessagesDoubled: &zero,
			TracesCompared: 3000, TracesWhole: 3000,
		},
		Collector: &result.Collector{Rounds: make([]result.CollectorRound, 5), Ratio: 0.63, Min: 0.61, Max: 0.66},
		Sampling: &result.Sampling{
			Groups:    []result.SamplingGroup{{Name: "errors", Sent: 40, Whole: 40, Expected: 1}, {Name: "the rest", Sent: 100, Whole: 9, Absent: 91, Expected: 0.1}},
			SpansSent: 1120, MetricCalls: 1120,
		},
	}
	for _, store := range []string{"Jaeger", "Tempo"} {
		r.Freshness = append(r.Freshness,
			result.Freshness{Signal: result.SpansByID, Store: store, Distribution: result.Distribution{Count: 500, P95: 0.8}},
			result.Freshness{Signal: result.SpansBySearch, Store: store, Distribution: result.Distribution{Count: 500, P95: 9}})
	}
	for _, part := range []string{"jaeger", "otel-collector"} {
		r.Faults = append(r.Faults, result.Fault{
			Name: "outage of " + part, Part: part, Kind: result.KindOutage, Seconds: 30,
			Spans: []result.Missing{{Store: "Jaeger", Expected: 800}, {Store: "Tempo", Expected: 800}},
			Logs:  []result.Missing{{Store: "Loki", Expected: 300}},
		})
	}
	return r
}

func objective(t *testing.T, r *result.Results, name string) result.Objective {
	t.Helper()
	for _, o := range objectives(r, plans["full"]) {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("there is no objective %q", name)
	return result.Objective{}
}

func TestEveryObjectiveIsReached(t *testing.T) {
	for _, o := range objectives(kept(), plans["full"]) {
		if o.Value == nil || !o.OK {
			t.Errorf("%s: value %v, ok %t, want it measured and reached", o.Name, o.Value, o.OK)
		}
		if o.Detail == "" || o.Unit == "" {
			t.Errorf("%s: detail %q, unit %q, want both", o.Name, o.Detail, o.Unit)
		}
	}
}

func TestNothingMeasuredReachesNothing(t *testing.T) {
	names := map[string]bool{}
	for _, o := range objectives(&result.Results{}, plans["full"]) {
		names[o.Name] = true
		if o.Value != nil || o.OK {
			t.Errorf("%s: value %v, ok %t, want neither", o.Name, o.Value, o.OK)
		}
	}
	for _, o := range objectives(kept(), plans["full"]) {
		if !names[o.Name] {
			t.Errorf("%s is left out when it was not measured", o.Name)
		}
	}
}

func TestWhatWasNotLookedForIsNotKept(t *testing.T) {
	r := kept()
	for i := range r.Faults {
		r.Faults[i].Spans = nil
	}
	for _, name := range []string{"spans lost in outages of the stores", "spans lost, collector killed or down"} {
		if o := objective(t, r, name); o.Value != nil || o.OK {
			t.Errorf("got %+v, want no value", o)
		}
	}
}

func TestMissedObjectives(t *testing.T) {
	for name, test := range map[string]struct {
		objective string
		spoil     func(*result.Results)
		want      float64
		detail    string
	}{
		"a login lost in a fault": {"acknowledged logins without their row",
			func(r *result.Results) { r.Faults[0].MessagesLost = 2 }, 2, "outage of jaeger: 2"},
		"a login lost without one": {"acknowledged logins without their row",
			func(r *result.Results) { one := 1; r.Correctness.MessagesLost = &one }, 1, "1 of 3000"},
		"a login doubled": {"acknowledged logins stored twice",
			func(r *result.Results) { r.Faults[1].MessagesDoubled = 1 }, 1, "outage of otel-collector: 1"},
		"spans lost with a store": {"spans lost in outages of the stores",
			func(r *result.Results) { r.Faults[0].Spans[1].Missing = 7 }, 7, "outage of jaeger: 7"},
		"spans lost in a slow backend": {"spans lost in outages of the stores",
			func(r *result.Results) { r.Faults[0].Kind, r.Faults[0].Spans[1].Missing = result.KindSlowBackend, 7 }, 7, ""},
		"logs lost with a store": {"log records lost in outages of the stores",
			func(r *result.Results) { r.Faults[0].Logs[0].Missing = 3 }, 3, ""},
		"spans lost with the collector, although explained": {"spans lost, collector killed or down",
			func(r *result.Results) { r.Faults[1].Spans[0] = result.Missing{Missing: 5, Explained: 5} }, 5, ""},
		"stale": {"freshness p95 of spans in Tempo",
			func(r *result.Results) { r.Freshness[2].Distribution.P95 = 2.001 }, 2.001, "50 logins a second"},
		"dear collector": {"collector, spans per CPU second against a bare forwarder",
			func(r *result.Results) { r.Collector.Ratio = 0.5999 }, 0.5999, "5 rounds"},
		"a trace differs": {"traces whole and alike in both stores",
			func(r *result.Results) { r.Correctness.TracesDiffering = 30 }, 0.99, ""},
		"an error not kept whole": {"errors, slow and dead-lettered traces kept whole by tail sampling",
			func(r *result.Results) { r.Sampling.Groups[0].Whole = 39 }, 0.975, ""},
		"calls counted twice": {"spans that span metrics miss or count twice, under tail sampling",
			func(r *result.Results) { r.Sampling.MetricCalls *= 2 }, 1120, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := kept()
			test.spoil(r)
			o := objective(t, r, test.objective)
			if o.Value == nil || *o.Value != test.want || o.OK {
				t.Fatalf("got %+v, want it missed with %v", o, test.want)
			}
			if !strings.Contains(o.Detail, test.detail) {
				t.Errorf("detail %q does not say %q", o.Detail, test.detail)
			}
		})
	}
}

func TestLossesNobodyCounted(t *testing.T) {
	lost := []result.Missing{{Store: "Jaeger", Missing: 10}, {Store: "Tempo", Missing: 10}}
	for name, test := range map[string]struct {
		spans   []result.Missing
		logs    []result.Missing
		counted []result.Count
		want    float64
	}{
		"nobody":                      {spans: lost, want: 20},
		"dropped before the fan-out":  {spans: lost, counted: []result.Count{{Name: "login-api spans dropped", Value: 10}}},
		"only by the way to jaeger":   {spans: lost, counted: []result.Count{{Name: "otelcol_exporter_send_failed_spans otlphttp/jaeger", Value: 20}}, want: 10},
		"other signals do not count":  {spans: lost, counted: []result.Count{{Name: "login-api log records dropped", Value: 20}}, want: 20},
		"logs":                        {logs: []result.Missing{{Store: "Loki", Missing: 4}}, counted: []result.Count{{Name: "otelcol_exporter_send_failed_log_records", Value: 3}}, want: 1},
		"a login is no log":           {logs: []result.Missing{{Store: "Loki", Missing: 4}}, counted: []result.Count{{Name: "login-api spans dropped", Value: 4}}, want: 4},
		"taken by the killed process": {spans: []result.Missing{{Store: "Jaeger", Missing: 10, Explained: 10}}},
		"counted more than is gone":   {spans: lost, counted: []result.Count{{Name: "spans dropped", Value: 99}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &result.Results{Faults: []result.Fault{{Name: "a fault", Spans: test.spans, Logs: test.logs, Counted: test.counted}}}
			o := objective(t, r, "losses nobody counted")
			if o.Value == nil || *o.Value != test.want || o.OK != (test.want == 0) {
				t.Errorf("got %+v, want %v", o, test.want)
			}
		})
	}
}

func TestNoNumberIsNoValue(t *testing.T) {
	r := kept()
	r.Collector.Ratio = math.NaN()
	if o := objective(t, r, "collector, spans per CPU second against a bare forwarder"); o.Value != nil || o.OK {
		t.Errorf("got %+v, want no value", o)
	}
}
