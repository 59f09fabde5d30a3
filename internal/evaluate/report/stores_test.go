package report

import (
	"strings"
	"testing"

	"throughline/internal/evaluate/result"
)

// candidate is a store with few figures.
func candidate(name string, cpu, bytes, fresh float64, lost int, p95 float64) result.Store {
	return result.Store{
		Name: name, API: "jaeger", Idle: &result.StoreIdle{}, KillRate: 500,
		Ingest:       []result.StoreIngest{{Rate: 500, CPUPerMillion: ptr(2 * cpu), MemoryPeakBytes: ptr[uint64](1e9)}, {Rate: 2000, CPUPerMillion: &cpu, MemoryPeakBytes: ptr[uint64](1e9)}},
		FreshnessP95: &fresh, LostByKill: &lost,
		Sizes: []result.StoreSize{{Spans: 1000, BytesPerSpan: &bytes, Queries: []result.StoreQuery{{Kind: "by id", Right: true, WarmP95: &p95}}}},
	}
}

func decided(stores ...result.Store) view {
	return view{result.Results{Stores: stores, Demand: &result.Demand{
		Rate: 2000, Retention: 30 * 86400, Prices: result.Prices{Currency: "USD", CPUHour: 0.03, MemoryGBMonth: 3, DiskGBMonth: 0.1},
	}}}
}

func TestTheConclusionsFollowFromTheFigures(t *testing.T) {
	v := decided(candidate("A", 100, 600, 0.1, 0, 2), candidate("B", 50, 100, 9, 4000, 80))
	text := strings.Join(v.Conclusions(), "\n")
	// 50 s a million at 2,000 a second are 0.1 cores: 2.19 USD; 1 GB of memory 3; 518 GB of disk 51.8.
	for _, want := range []string{
		"At 2,000 spans a second kept for 30 days, B costs the least, 57 USD a month, 91 % of it for disk; A costs 5.6 times as much.",
		"after 100 ms in A, and after 9 s in B (p95); a kill -9 at 500 spans a second loses 0 spans of A and 4,000 of B.",
		"Over 1,000 spans these answer soonest: A: by id.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestWhatIsAlikeIsNotRanked(t *testing.T) {
	v := decided(candidate("A", 100, 100, 1, 0, 2), candidate("B", 103, 104, 1.05, 0, 2.1))
	text := strings.Join(v.Conclusions(), "\n")
	if !strings.Contains(text, "A and B cost the least") || strings.Contains(text, "times as much") || strings.Contains(text, "answer soonest") {
		t.Errorf("two runs of one store differ by as much: %s", text)
	}
	for _, row := range v.Sheet() {
		for _, value := range row.Values {
			if value.Best {
				t.Errorf("%s: %s is called the best", row.Name, value.Text)
			}
		}
	}
}

func TestAFigureThatIsMissingIsNotZero(t *testing.T) {
	blind := result.Store{Name: "blind", NotMeasured: []result.NotMeasured{{What: "idle", Reason: "no access"}}}
	v := decided(candidate("A", 100, 100, 1, 0, 2), blind)
	for _, row := range v.Sheet() {
		if text := row.Values[1].Text; text != unknown {
			t.Errorf("%s of a store that nothing is known of: %s", row.Name, text)
		}
	}
	if gaps := v.StoreGaps(); len(gaps) != 1 || !strings.Contains(gaps[0], "blind: idle: no access") {
		t.Errorf("what is missing: %v", gaps)
	}
}

func TestTheCostTakesTheRateThatIsNearest(t *testing.T) {
	v := decided(candidate("A", 100, 100, 1, 0, 2))
	v.Demand.Rate = 600
	if got := *v.StoreViews()[0].PerMillion(); got != 200 {
		t.Errorf("at 600 spans a second: %g CPU seconds per million, want those of 500 a second", got)
	}
}
