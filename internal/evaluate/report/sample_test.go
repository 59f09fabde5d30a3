package report

import (
	"math"
	"time"

	"throughline/internal/evaluate/result"
)

func ptr[T any](v T) *T { return &v }

// sample is an evaluation such as a small machine gives: one objective is
// missed, one was not measured.
func sample() result.Results {
	started := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	return result.Results{
		Schema: result.Schema, Duration: "full", Target: "native", Revision: "a399abe",
		Started: started, Ended: started.Add(27*time.Minute + 41*time.Second),
		Machine: result.Machine{
			CPU: "AMD EPYC 7B13", Cores: 2, MemoryBytes: 8_345_600_000, System: "Linux 6.1 (Debian 12)", Disk: "ext4",
			Versions: map[string]string{
				"jaeger": "2.13.0", "tempo": "2.8.0", "loki": "3.7.8", "prometheus": "3.13.2",
				"otel-collector": "0.145.0", "rabbitmq": "3.10.8", "go": "1.26.8",
			},
		},
		Objectives: []result.Objective{
			{Name: "acknowledged logins without their row", Value: ptr(0.0), Unit: "logins", OK: true, Detail: "over 21 faults and 3,000 logins without one"},
			{Name: "acknowledged logins stored twice", Value: ptr(0.0), Unit: "logins", OK: true, Detail: "over 21 faults"},
			{Name: "freshness p95 of spans in Jaeger", Value: ptr(0.412), Unit: "s", Target: 2, OK: true, Detail: "by trace id, 600 spans"},
			{Name: "freshness p95 of spans in Tempo", Value: ptr(2.31), Unit: "s", Target: 2, Detail: "by trace id, 600 spans"},
			{Name: "collector, spans per CPU second against a bare forwarder", Value: ptr(0.634), Unit: "ratio", Target: 0.6, AtLeast: true, OK: true, Detail: "median of 5 rounds"},
			{Name: "traces whole and alike in both stores", Value: ptr(1.0), Unit: "share", Target: 1, AtLeast: true, OK: true, Detail: "of 3,000 traces"},
			{Name: "losses nobody counted", Unit: "records", Detail: "the faults were interrupted"},
		},
		Correctness: sampleCorrectness(),
		Freshness: []result.Freshness{
			{Signal: result.SpansByID, Store: "Jaeger", Distribution: around(0.28, 1.5), How: "asked for by trace id every 50 ms from the span's end"},
			{Signal: result.SpansByID, Store: "Tempo", Distribution: around(0.95, 1.7), How: "asked for by trace id every 50 ms from the span's end"},
			{Signal: result.SpansBySearch, Store: "Jaeger", Distribution: around(0.3, 1.5), How: "searched by service and a tag that only this trace has"},
			{Signal: result.SpansBySearch, Store: "Tempo", Distribution: around(1.05, 1.6), How: "searched by service and a tag that only this trace has"},
			{Signal: result.LogLine, Store: "Loki", Distribution: around(0.6, 1.4), How: "searched by trace id"},
			{Signal: result.Metric, Store: "Prometheus", Distribution: around(6.1, 1.4), How: "until the counter of logins has risen"},
		},
		Cost: &result.Cost{Seconds: 60, Rate: 50, Spans: 24_000, Parts: []result.PartCost{
			cost("login-api", 3.1, 0.2, 41e6, 44e6, 0), cost("user-rpc", 1.6, 0.2, 33e6, 35e6, 0), cost("audit-mq", 2.4, 0.2, 35e6, 37e6, 400_000),
			{Part: "rabbitmq", CPUSeconds: ptr(2.2), MemoryMeanBytes: ptr[uint64](128e6)},
			cost("otel-collector", 3.9, 0.5, 121e6, 140e6, 180_000), cost("jaeger", 4.4, 0.3, 148e6, 190e6, 9_300_000),
			cost("tempo", 2.9, 0.6, 131e6, 166e6, 5_100_000), cost("loki", 1.4, 0.5, 118e6, 130e6, 2_800_000), cost("prometheus", 0.9, 0.4, 96e6, 101e6, 700_000),
		}},
		Capacity: sampleCapacity(),
		Collector: &result.Collector{
			Rounds: []result.CollectorRound{round(2.71, 1.70), round(2.64, 1.69), round(2.80, 1.75), round(2.69, 1.73), round(2.66, 1.66)},
			Ratio:  0.634, Min: 0.62, Max: 0.643, Full: 37_100, Bare: 58_700,
			How: "The same spans, in turns, to the same two stores' stand-ins; CPU by the process's own account.",
		},
		Sampling: &result.Sampling{
			Groups: []result.SamplingGroup{
				{Name: "errors", Sent: 400, Whole: 400, Expected: 1}, {Name: "slow", Sent: 400, Whole: 400, Expected: 1},
				{Name: "dead-lettered", Sent: 200, Whole: 199, Partial: 1, Expected: 1}, {Name: "the rest", Sent: 3000, Whole: 297, Absent: 2703, Expected: 0.1},
			},
			SpansSent: 32_000, SpansKept: 10_368, MetricCalls: 32_000,
			How: "Two first-tier collectors spread 4,000 traces by trace id over two that sample.",
		},
		Faults: sampleFaults(),
		NotRun: []result.NotRun{{Step: "full disk", Reason: "the file system could not be limited: mount needs root"}},
	}
}

func sampleCorrectness() *result.Correctness {
	return &result.Correctness{
		Rate: 50, Seconds: 60, Logins: 3000, MessagesLost: ptr(0), MessagesDoubled: ptr(0), TracesCompared: 3000, SpansCompared: 24_000, TracesWhole: 2999, TracesDiffering: 1,
		Differences: []string{`trace 4bf92f3577b34da6a3ce929d0e0e4736: tempo lacks span "sql" of user-rpc`},
		Accounts: []result.Account{
			{Signal: "spans", Balanced: true, Stages: []result.Count{
				{Name: "produced by the services", Value: 24_000}, {Name: "accepted by the collector", Value: 24_000},
				{Name: "in jaeger", Value: 24_000}, {Name: "in tempo", Value: 24_000}}},
			{Signal: "log records", Stages: []result.Count{
				{Name: "produced by the services", Value: 9_004}, {Name: "accepted by the collector", Value: 9_004}, {Name: "in loki", Value: 9_001}},
				Lost: []result.Count{{Name: "otelcol_exporter_send_failed_log_records_total", Value: 2}}, Note: "Loki refuses two that are older than an hour."},
			{Signal: "metric points", Balanced: true, Stages: []result.Count{{Name: "sent by the collector", Value: 41_220}, {Name: "in prometheus", Value: 41_220}}},
		},
	}
}

// around gives a log-normal distribution of that median and spread.
func around(median, spread float64) result.Distribution {
	d := result.Distribution{Count: 600}
	for i := range 101 {
		q := min(max(float64(i)/100, 0.003), 0.997)
		d.Percentiles = append(d.Percentiles, median*math.Pow(spread, math.Sqrt2*math.Erfinv(2*q-1)))
	}
	d.P50, d.P95, d.Max = d.Percentiles[50], d.Percentiles[95], d.Percentiles[100]
	return d
}

func cost(part string, cpu, idle, mean, peak float64, disk int64) result.PartCost {
	return result.PartCost{
		Part: part, CPUSeconds: &cpu, IdleCPUSeconds: &idle,
		MemoryMeanBytes: ptr(uint64(mean)), MemoryPeakBytes: ptr(uint64(peak)), DiskBytes: &disk,
	}
}

func sampleCapacity() *result.Capacity {
	c := result.Capacity{Sustained: 200, Broke: "freshness p95 of spans 4.6 s, above 2 s", AtLimit: "jaeger (0.62 of 2 cores, all in use)"}
	for _, s := range []struct{ rate, latency, freshness, cores float64 }{
		{50, 9.6, 0.9, 0.55}, {100, 11.2, 1.0, 0.9}, {150, 14.9, 1.2, 1.27}, {200, 24, 1.7, 1.62}, {300, 212, 4.6, 1.97},
	} {
		step := result.CapacityStep{
			Rate: s.rate, Achieved: min(s.rate, 291), LatencyP95: s.latency, FreshnessP95: s.freshness,
			OK: s.rate <= 200, Cores: map[string]float64{},
		}
		for part, share := range map[string]float64{
			"login-api": .13, "user-rpc": .07, "audit-mq": .1, "rabbitmq": .1, "otel-collector": .17,
			"jaeger": .19, "tempo": .1, "loki": .06, "prometheus": .03, "load": .05,
		} {
			step.Cores[part] = share * s.cores
		}
		c.Steps = append(c.Steps, step)
	}
	c.Steps[4].Failed, c.Steps[4].QueueDepth = 12, 840
	return &c
}

func round(full, bare float64) result.CollectorRound {
	run := func(cpu float64) result.CollectorRun {
		return result.CollectorRun{Acknowledged: 100_000, Accepted: 100_000, Sent: 200_000, CPUSeconds: cpu}
	}
	return result.CollectorRound{Full: run(full), Bare: run(bare)}
}

func sampleFaults() []result.Fault {
	var faults []result.Fault
	for _, part := range []string{"user-rpc", "audit-mq", "rabbitmq", "otel-collector", "jaeger", "tempo", "loki", "prometheus"} {
		kill := fault("kill -9 of "+part, part, result.KindKill, 2)
		outage := fault("outage of "+part, part, result.KindOutage, 30)
		faults = append(faults, kill, outage)
	}
	faults[1].Failed, faults[1].Acknowledged = 600, faults[1].Requests-600
	for i := 2; i < 32; i++ {
		faults[1].Timeline[i].OK, faults[1].Timeline[i].Failed = 0, 20
	}
	killed := &faults[6]
	killed.Spans = []result.Missing{{Store: "Jaeger", Expected: 7400, Missing: 24, Explained: 24}, {Store: "Tempo", Expected: 7400, Missing: 24, Explained: 24}}
	killed.Counted = []result.Count{{Name: "login-api dropped spans", Value: 24}}
	lost := &faults[8]
	lost.Spans[0].Missing, lost.OK = 112, false
	lost.Detail = "Jaeger had acknowledged 112 spans that it does not have."
	all := fault("outage of all stores", "", result.KindLongOutage, 300)
	hostile := fault("10000 hostile requests", "login-api", result.KindHostile, 8)
	hostile.Memory = []result.PartMemory{{Part: "login-api", PeakBytes: 90 << 20, LimitBytes: 160 << 20}, {Part: "otel-collector", PeakBytes: 210 << 20, LimitBytes: 288 << 20}}
	return append(faults, all, fault("slow tempo", "tempo", result.KindSlowBackend, 30),
		fault("poison message", "audit-mq", result.KindPoison, 1), fault("burst of 10 times the rate", "", result.KindBurst, 10), hostile)
}

func fault(name, part, kind string, outage int) result.Fault {
	f := result.Fault{
		Name: name, Part: part, Kind: kind, Rate: 20, Seconds: float64(outage),
		ServiceRecovery: 0.4, DataRecovery: 1.5 + float64(outage)/12, OK: true,
	}
	for second := range outage + 8 {
		on := second >= 2 && second < 2+outage
		moment := result.Moment{Second: second, OK: 20, Faulty: on, QueuedBytes: ptr(2048.0)}
		if on {
			moment.QueuedBytes = ptr(2048 + 41_000*float64(second-1))
		}
		f.Requests += 20
		f.Timeline = append(f.Timeline, moment)
	}
	f.Acknowledged = f.Requests
	f.Spans = []result.Missing{{Store: "Jaeger", Expected: f.Requests * 8}, {Store: "Tempo", Expected: f.Requests * 8}}
	f.Logs = []result.Missing{{Store: "Loki", Expected: f.Requests * 3}}
	return f
}
