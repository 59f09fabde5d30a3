package report

import (
	"strings"
	"testing"

	"throughline/internal/evaluate/result"
)

func TestNoSizeOnDiskIsNegative(t *testing.T) {
	shrank := result.PartCost{Part: "loki", DiskNote: "shrank by 90112 bytes: it had not settled"}
	older := result.PartCost{Part: "jaeger", DiskBytes: ptr(int64(-90112))} // as results were written before
	grew := result.PartCost{Part: "tempo", DiskBytes: ptr(int64(24_000))}
	r := result.Results{
		Cost:     &result.Cost{Spans: 24_000, Parts: []result.PartCost{shrank, older, grew}},
		Sampling: &result.Sampling{SpansSent: 10, SpansKept: 1},
	}
	files := write(t, r)
	for _, name := range []string{"index.html", "summary.md"} {
		if strings.Contains(files[name], "-3.75 MB") || strings.Contains(files[name], "-90") {
			t.Errorf("%s has a negative size", name)
		}
		if got := strings.Count(files[name], "not measured: it shrank"); got != 2 {
			t.Errorf("%s says %d times that data shrank, want 2", name, got)
		}
	}
	if text := section(t, files["index.html"], "cost"); strings.Contains(text, "less on the disks") {
		t.Error("a saving on two disks is reckoned from one")
	}
}
