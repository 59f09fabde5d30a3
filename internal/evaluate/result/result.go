// Package result is what an evaluation finds: the contents of results.json.
package result

import "time"

// Schema is the version of results.json that this package writes.
const Schema = 1

// Results is what one evaluation has measured. A part that is nil or empty was
// not measured; NotRun says why.
type Results struct {
	Schema int `json:"schema"`
	// Duration is the plan: short or full.
	Duration string `json:"duration"`
	// Target is how the stack ran: native or compose.
	Target   string    `json:"target"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Revision string    `json:"revision,omitempty"` // of the source tree
	Machine  Machine   `json:"machine"`

	Objectives []Objective `json:"objectives"`

	Correctness *Correctness `json:"correctness,omitempty"`
	Freshness   []Freshness  `json:"freshness,omitempty"`
	Cost        *Cost        `json:"cost,omitempty"`
	Capacity    *Capacity    `json:"capacity,omitempty"`
	Collector   *Collector   `json:"collector,omitempty"`
	Sampling    *Sampling    `json:"sampling,omitempty"`
	Faults      []Fault      `json:"faults,omitempty"`
	NotRun      []NotRun     `json:"notRun,omitempty"`

	// Stores are the trace stores, each measured alone, StoresFilledWith what with,
	// and StoreCurves what a setting of one trades.
	Stores           []Store      `json:"stores,omitempty"`
	StoresFilledWith string       `json:"stores_filled_with,omitempty"`
	StoreCurves      []StoreCurve `json:"store_curves,omitempty"`
	// Demand is what a team would store, to reckon what that costs.
	Demand *Demand `json:"demand,omitempty"`
}

// Machine is where the stack and the load ran, together.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"` // logical
	MemoryBytes uint64 `json:"memoryBytes"`
	System      string `json:"system"` // operating system and kernel
	Disk        string `json:"disk"`   // file system of the data
	// Versions of the parts, by their names.
	Versions map[string]string `json:"versions"`
}

// Objective is a promise and what was measured of it.
type Objective struct {
	Name string `json:"name"`
	// Value is nil when it was not measured; OK is false then.
	Value  *float64 `json:"value"`
	Unit   string   `json:"unit"`
	Target float64  `json:"target"`
	// AtLeast tells that Value must reach Target; else it must not exceed it.
	AtLeast bool `json:"atLeast"`
	OK      bool `json:"ok"`
	// NotApplicable tells that the plan or the target has no measurement of it.
	NotApplicable bool `json:"notApplicable,omitempty"`
	// Detail says how the figure was taken, or why it was not.
	Detail string `json:"detail"`
}

// NotRun is a measurement that this run left out.
type NotRun struct {
	Step   string `json:"step"`
	Reason string `json:"reason"`
	// NotApplicable tells that the plan, the target or the machine has no such
	// measurement. Else it was to be run, and that is a failure.
	NotApplicable bool `json:"notApplicable,omitempty"`
}

// Distribution describes many measurements of one quantity.
type Distribution struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	Max   float64 `json:"max"`
	// Percentiles are the values at 0, 1, … 100 %.
	Percentiles []float64 `json:"percentiles"`
}

// Correctness compares what was produced with what is stored, under load.
type Correctness struct {
	Rate    float64 `json:"ratePerSecond"`
	Seconds float64 `json:"seconds"`
	// Logins is how many were acknowledged.
	Logins int `json:"logins"`
	// MessagesLost are those without an audit row, MessagesDoubled those with more
	// than one; nil when they were not counted.
	MessagesLost    *int `json:"messagesLost"`
	MessagesDoubled *int `json:"messagesDoubled"`

	TracesCompared int `json:"tracesCompared"`
	SpansCompared  int `json:"spansCompared"`
	// TracesWhole have every expected span in both stores.
	TracesWhole     int `json:"tracesWhole"`
	TracesDiffering int `json:"tracesDiffering"`
	// Differences are the first few, in words.
	Differences []string  `json:"differences,omitempty"`
	Accounts    []Account `json:"accounts"`
}

// Account follows one signal from its source to a store.
type Account struct {
	Signal string `json:"signal"` // spans, log records, metric points …
	// Stages are counts along the way, the source first and the stores last.
	Stages []Count `json:"stages"`
	// Lost are the counters that report losses.
	Lost []Count `json:"lost"`
	// Balanced tells that each store holds what was produced less what was
	// reported lost.
	Balanced bool   `json:"balanced"`
	Note     string `json:"note,omitempty"`
}

// Count is a counter's rise during a measurement.
type Count struct {
	Name  string `json:"name"`
	Value int64  `json:"value"`
}

// Freshness is the time from the end of what is recorded until it can be
// queried, in seconds.
type Freshness struct {
	Signal       string       `json:"signal"` // spans, by id; spans, by search; log line; metric
	Store        string       `json:"store"`
	Distribution Distribution `json:"seconds"`
	How          string       `json:"how"`
}

// Cost is what a steady load took.
type Cost struct {
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"loginsPerSecond"`
	// Spans is how many were stored in each trace store.
	Spans int64      `json:"spans"`
	Parts []PartCost `json:"parts"`
}

// PartCost is what one part took. What could not be had is nil.
type PartCost struct {
	Part       string   `json:"part"`
	CPUSeconds *float64 `json:"cpuSeconds"`
	// IdleCPUSeconds is what it would have taken in the same time without load.
	IdleCPUSeconds  *float64 `json:"idleCpuSeconds"`
	MemoryMeanBytes *uint64  `json:"memoryMeanBytes"`
	MemoryPeakBytes *uint64  `json:"memoryPeakBytes"`
	// DiskBytes is by how much its data grew; nil, with a DiskNote, when it shrank.
	DiskBytes *int64 `json:"diskBytes"`
	DiskNote  string `json:"diskNote,omitempty"`
}

// Capacity raises the load step by step until an objective breaks.
type Capacity struct {
	Steps []CapacityStep `json:"steps"`
	// Sustained is the highest rate, in logins per second, that kept all
	// objectives.
	Sustained float64 `json:"sustainedPerSecond"`
	// Broke says which objective broke at the first rate above that, and
	// AtLimit which part was at its limit; empty when nothing broke.
	Broke   string `json:"broke,omitempty"`
	AtLimit string `json:"atLimit,omitempty"`
}

// CapacityStep is one rate of a Capacity.
type CapacityStep struct {
	Rate float64 `json:"askedPerSecond"`
	// StillAtWork says what had not come to rest when the step began, in words;
	// empty when the stores had worked off all that came before.
	StillAtWork string `json:"stillAtWork,omitempty"`

	Achieved float64 `json:"achievedPerSecond"`
	Failed   int     `json:"failed"`
	// LatencyP95 is of the answers, in milliseconds.
	LatencyP95 float64 `json:"latencyP95Milliseconds"`
	// Freshness is the 95th percentile in SlowerStore, in seconds.
	FreshnessP95 float64 `json:"freshnessP95Seconds"`
	SlowerStore  string  `json:"slowerStore,omitempty"`
	QueueDepth   int     `json:"queueDepthAtEnd"` // messages ready in user.events.audit
	// Cores used, by part, load for the load generator itself.
	Cores map[string]float64 `json:"cores"`
	OK    bool               `json:"ok"`
}

// Collector compares the collector as configured with the same binary that only
// forwards, both fed such spans at the same time.
type Collector struct {
	Rounds []CollectorRound `json:"rounds"`
	// Ratio is the median of the rounds' ratios of spans per CPU second.
	Ratio float64 `json:"ratio"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	// SpansPerCPUSecond are medians.
	Full float64 `json:"fullSpansPerCpuSecond"`
	Bare float64 `json:"bareSpansPerCpuSecond"`
	How  string  `json:"how"`
}

// CollectorRound is one pair of measurements.
type CollectorRound struct {
	Full CollectorRun `json:"full"`
	Bare CollectorRun `json:"bare"`
}

// CollectorRun is one measurement of one configuration.
type CollectorRun struct {
	// Acknowledged is counted by the client, Accepted and Sent by the collector:
	// Sent over both exporters, so twice Accepted when nothing is lost.
	Acknowledged int64   `json:"acknowledged"`
	Accepted     int64   `json:"accepted"`
	Sent         int64   `json:"sent"`
	CPUSeconds   float64 `json:"cpuSeconds"`
}

// SpansPerCPUSecond counts each span once.
func (r CollectorRun) SpansPerCPUSecond() float64 {
	if r.CPUSeconds == 0 {
		return 0
	}
	return float64(r.Accepted) / r.CPUSeconds
}

// Sampling is what the two tiers of tail sampling kept.
type Sampling struct {
	Groups []SamplingGroup `json:"groups"`
	// SpansSent and SpansKept are over all groups.
	SpansSent int64 `json:"spansSent"`
	SpansKept int64 `json:"spansKept"`
	// MetricCalls is what the span metrics counted of SpansSent.
	MetricCalls int64  `json:"metricCalls"`
	How         string `json:"how"`
}

// SamplingGroup is one kind of trace: errors, slow, dead-lettered, the rest.
type SamplingGroup struct {
	Name string `json:"name"`
	Sent int    `json:"tracesSent"`
	// Whole, Partial and Absent count traces in the store that held the least.
	Whole   int `json:"whole"`
	Partial int `json:"partial"`
	Absent  int `json:"absent"`
	// Expected is the share that the policy keeps, 0 to 1.
	Expected float64 `json:"expectedShare"`
}

// Fault is one failure under steady load, followed to full recovery.
type Fault struct {
	Name string `json:"name"` // kill -9 of tempo, outage of jaeger …
	Part string `json:"part,omitempty"`
	Kind string `json:"kind"` // kill, outage, full disk, slow backend, poison, burst, hostile, broker alarm, leader lost, database outage
	// Rate is the steady load, in logins per second.
	Rate    float64 `json:"ratePerSecond"`
	Seconds float64 `json:"outageSeconds"` // from the fault to its end, as the parts saw it

	Requests     int `json:"requests"`
	Failed       int `json:"requestsFailed"`
	Acknowledged int `json:"acknowledged"`

	MessagesLost    int `json:"messagesLost"`    // acknowledged logins without a row
	MessagesDoubled int `json:"messagesDoubled"` // with more than one

	// Spans and log records of the acknowledged logins.
	Spans []Missing `json:"spans"` // by store
	Logs  []Missing `json:"logs"`
	// Counted are the loss counters that rose.
	Counted []Count `json:"counted"`
	// Memory of services and collector, in a fault that must not exceed their limits.
	Memory []PartMemory `json:"memory,omitempty"`

	// ServiceRecovery is the time from the end of the fault until no request
	// failed any more, and DataRecovery until every store held all that it came
	// to hold; in seconds.
	ServiceRecovery float64 `json:"serviceRecoverySeconds"`
	DataRecovery    float64 `json:"dataRecoverySeconds"`
	// NotRecovered tells that a recovery was not seen: DataRecovery is then how long
	// it was waited for. Without Spans and Logs, nothing was looked up.
	NotRecovered bool `json:"notRecovered,omitempty"`

	Timeline []Moment `json:"timeline"`
	OK       bool     `json:"ok"`
	Detail   string   `json:"detail,omitempty"`
}

// Missing counts what a store lacks.
type Missing struct {
	Store    string `json:"store"`
	Expected int    `json:"expected"`
	Missing  int    `json:"missing"`
	// Explained are those of Missing that the fault is known to take: what a
	// killed process had not handed over yet.
	Explained int `json:"explained"`
}

// PartMemory is the most resident memory that a part has taken, without pages of
// files, in bytes, beside its limit under Docker Compose.
type PartMemory struct {
	Part       string `json:"part"`
	PeakBytes  uint64 `json:"peakBytes"`
	LimitBytes uint64 `json:"limitBytes"`
}

// Moment is one second of a fault.
type Moment struct {
	Second int `json:"second"` // from the beginning of the load
	OK     int `json:"ok"`
	Failed int `json:"failed"`
	// QueuedBytes wait in the collector's queues, nil when it did not say.
	QueuedBytes *float64 `json:"queuedBytes"`
	// Faulty tells that the fault was on.
	Faulty bool `json:"faulty"`
}
