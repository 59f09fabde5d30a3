package result

// Kinds of a Fault.
const (
	KindKill           = "kill"
	KindOutage         = "outage"
	KindLongOutage     = "long outage"
	KindFullDisk       = "full disk"
	KindSlowBackend    = "slow backend"
	KindPoison         = "poison"
	KindBurst          = "burst"
	KindBrokerAlarm    = "broker alarm"
	KindLeaderLost     = "leader lost"
	KindDatabaseOutage = "database outage"
	KindHostile        = "hostile"
)

// Signals of a Freshness.
const (
	SpansByID     = "spans, by id"
	SpansBySearch = "spans, by search"
	LogLine       = "log line"
	Metric        = "metric"
)

// Tempo is a Store, named as backend's clients name them.
const Tempo = "Tempo"
