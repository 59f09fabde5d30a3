package result

import "fmt"

// Store is what was measured of one trace store, alone on the machine.
type Store struct {
	Name string `json:"name"`
	API  string `json:"api"` // jaeger or tempo
	// Settings are what differs from upstream defaults, and SettingsFiles what it ran
	// with.
	Settings      []Setting      `json:"settings"`
	SettingsFiles []SettingsFile `json:"settings_files,omitempty"`

	Idle   *StoreIdle    `json:"idle,omitempty"`
	Ingest []StoreIngest `json:"ingest,omitempty"`

	// FreshnessP95 is from the sending of a trace's last span until a search for an
	// attribute of it finds the trace, FreshnessByIDP95 until the trace is whole by its
	// id; in seconds.
	FreshnessP95     *float64 `json:"freshness_p95_s"`
	FreshnessByIDP95 *float64 `json:"freshness_by_id_p95_s"`
	FreshnessCount   int      `json:"freshness_traces"`
	// LostByKill are acknowledged spans that a kill -9 took, at KillRate spans a
	// second. The kill comes FreshnessP95 after a search has found all there was, when
	// most is in memory only.
	LostByKill *int `json:"lost_by_kill_spans"`
	KillRate   int  `json:"kill_rate"`

	Sizes           []StoreSize      `json:"sizes,omitempty"`
	PredictionError *PredictionError `json:"prediction_error,omitempty"`
	// MaintenanceCPU is what compaction of all that takes a million spans, in CPU
	// seconds, where it was put off until then, and MaintainedBytes the disk of a span
	// after it.
	MaintenanceCPU  *float64 `json:"maintenance_cpu_s_per_million_spans,omitempty"`
	MaintainedBytes *float64 `json:"maintained_bytes_per_span,omitempty"`

	NotMeasured []NotMeasured `json:"not_measured"`
}

// Setting is a setting that differs from upstream.
type Setting struct {
	Setting  string `json:"setting"`
	Value    string `json:"value"`
	Upstream string `json:"upstream"`
	Why      string `json:"why"`
}

// SettingsFile is a file with settings, or what a store says of them.
type SettingsFile struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// NotMeasured is a figure that a store does not have.
type NotMeasured struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
	// Failed tells that it was to be measured.
	Failed bool `json:"failed,omitempty"`
}

// failures of a store: a figure that should be there, and wrong answers.
func (s Store) failures() []string {
	var all []string
	for _, n := range s.NotMeasured {
		if n.Failed {
			all = append(all, sentence("store not measured", s.Name+", "+n.What, n.Reason))
		}
	}
	for _, size := range s.Sizes {
		for _, q := range size.Queries {
			if q.Wrong != "" {
				all = append(all, fmt.Sprintf("wrong answer: %s, %s, over %d spans: %s", s.Name, q.Kind, size.Spans, q.Wrong))
			}
		}
	}
	return all
}

// StoreIdle is what a store takes with nothing to do.
type StoreIdle struct {
	Cores       float64 `json:"cores"`
	MemoryBytes uint64  `json:"memory_bytes"`
	Seconds     float64 `json:"seconds"`
}

// StoreIngest is what it costs to take spans at one rate, beside what the store
// takes idle, and with nobody asking it anything.
type StoreIngest struct {
	Rate     int     `json:"rate"` // spans a second
	Achieved float64 `json:"achieved"`
	// Spans of all repetitions.
	Spans int64 `json:"spans"`
	// CPUPerMillion is with all that follows until the store has settled: what it
	// holds in memory is written, once, after the last repetition.
	CPUPerMillion *float64 `json:"cpu_s_per_million_spans"`
	// CPUDuringLoad is what was taken while spans came in: the median of the
	// repetitions. Spread is the largest of them less the smallest, by the median.
	CPUDuringLoad   *float64 `json:"cpu_s_per_million_spans_during_load"`
	Spread          *float64 `json:"spread"`
	Repetitions     int      `json:"repetitions"`
	MemoryPeakBytes *uint64  `json:"memory_peak_bytes"`
}

// StoreSize is a store with so many spans in it.
type StoreSize struct {
	Spans int `json:"spans"`
	// IngestPerSecond is how many spans a second it took, as fast as it would, from
	// the size before to this one, and CPUPerMillion what they cost, settled.
	IngestPerSecond float64  `json:"ingest_per_s"`
	CPUPerMillion   *float64 `json:"cpu_s_per_million_spans"`
	BytesPerSpan    *float64 `json:"bytes_per_span"`
	// BufferBytes lie beside the data: a write-ahead log, copies.
	BufferBytes     *int64       `json:"buffer_bytes"`
	MemoryBytes     *uint64      `json:"memory_bytes"` // settled
	MemoryPeakBytes *uint64      `json:"memory_peak_bytes"`
	Restart         *float64     `json:"restart_s"`
	Queries         []StoreQuery `json:"queries"`
}

// StoreQuery is one kind of question. Cold is after a restart with the page cache
// dropped, and dropped again before each question. Times are in milliseconds.
type StoreQuery struct {
	Kind      string   `json:"kind"`
	Query     string   `json:"query"` // an example
	WarmCount int      `json:"warm_count"`
	WarmP50   *float64 `json:"warm_p50_ms"`
	WarmP95   *float64 `json:"warm_p95_ms"`
	WarmP99   *float64 `json:"warm_p99_ms"`
	ColdCount int      `json:"cold_count"`
	ColdP50   *float64 `json:"cold_p50_ms"`
	ColdP95   *float64 `json:"cold_p95_ms"`
	ColdP99   *float64 `json:"cold_p99_ms"`
	// CPU is what one warm question took of the store, in seconds.
	CPU *float64 `json:"cpu_s"`
	// Right tells that every answer was checked against what was written, and right.
	Right bool `json:"right"`
	// Wrong says what the first wrong answer was, NoAnswer why there was none.
	Wrong    string `json:"wrong,omitempty"`
	NoAnswer string `json:"no_answer,omitempty"`
}

// PredictionError tells how far the smaller sizes were off about the largest, as a
// share of what was measured there.
type PredictionError struct {
	Disk *float64 `json:"disk"`
	// P95 is the median over the kinds of questions, warm.
	P95 *float64 `json:"p95"`
}

// StoreCurve measures one store at several values of a setting.
type StoreCurve struct {
	Name   string       `json:"name"`
	Store  string       `json:"store"`
	Points []CurvePoint `json:"points"`
}

// CurvePoint is one value of a StoreCurve.
type CurvePoint struct {
	Label            string   `json:"label"`
	Rate             int      `json:"rate"` // spans a second
	CPUPerMillion    *float64 `json:"cpu_s_per_million_spans"`
	Spread           *float64 `json:"spread"`
	FreshnessP95     *float64 `json:"freshness_p95_s"`
	FreshnessByIDP95 *float64 `json:"freshness_by_id_p95_s"`
	LostByKill       *int     `json:"lost_by_kill_spans"`
}

// Prices turn what a store takes into money.
type Prices struct {
	Currency      string  `json:"currency"`
	CPUHour       float64 `json:"cpu_hour"`
	MemoryGBMonth float64 `json:"memory_gb_month"`
	DiskGBMonth   float64 `json:"disk_gb_month"`
}

// Demand is what a team would store.
type Demand struct {
	Rate      float64 `json:"rate"`        // spans a second
	Retention float64 `json:"retention_s"` // seconds
	Prices    Prices  `json:"prices"`
}
