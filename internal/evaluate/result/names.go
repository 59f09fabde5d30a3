package result

// Kinds of a Fault.
const (
	KindKill        = "kill"
	KindOutage      = "outage"
	KindLongOutage  = "long outage"
	KindFullDisk    = "full disk"
	KindSlowBackend = "slow backend"
	KindPoison      = "poison"
	KindBurst       = "burst"
)

// Signals of a Freshness.
const (
	SpansByID     = "spans, by id"
	SpansBySearch = "spans, by search"
	LogLine       = "log line"
	Metric        = "metric"
)
