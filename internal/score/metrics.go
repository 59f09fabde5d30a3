package score

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"throughline/internal/semconv"
)

// maxValues is how many values an attribute of a metric may have within an hour.
const maxValues = 10_000

// metrics are the series of one service, as Prometheus has them: its labels.
type metrics struct {
	// lastHour leaves out what the collector makes of the service's spans.
	lastHour []map[string]string
	// buckets are those of the histograms in lastHour, of all services and for as long
	// as Prometheus keeps them.
	buckets []map[string]string
}

func haveMetrics(s seen) bool { return len(s.metrics.lastHour) > 0 }

var metricRules = []rule{
	{id: "MET-001", impact: "important", title: "an attribute of a metric has fewer than 10,000 values within an hour", applies: haveMetrics, broken: cardinality},
	{id: "MET-004", impact: "normal", title: "a histogram has the same buckets everywhere", applies: func(s seen) bool { return len(s.metrics.buckets) > 0 }, broken: buckets},
	{id: "MET-006", impact: "important", title: "no metric has the name of an attribute of the conventions", applies: haveMetrics, broken: namedLikeAttribute},
}

func cardinality(s seen) (example, trace string) {
	values := map[string]map[string]bool{} // by metric and attribute
	for _, labels := range s.metrics.lastHour {
		for label, value := range labels {
			if slices.Contains([]string{"__name__", "le", "quantile", "job", "instance"}, label) {
				continue // Prometheus' own
			}
			of := labels["__name__"] + " has the attribute " + label
			if values[of] == nil {
				values[of] = map[string]bool{}
			}
			values[of][value] = true
		}
	}
	for _, of := range slices.Sorted(maps.Keys(values)) {
		if n := len(values[of]); n >= maxValues {
			return fmt.Sprintf("%s with %d values within an hour", of, n), ""
		}
	}
	return "", ""
}

func buckets(s seen) (example, trace string) {
	bounds := map[string]map[string][]string{} // by metric and the rest of the labels
	for _, labels := range s.metrics.buckets {
		name, rest := labels["__name__"], maps.Clone(labels)
		delete(rest, "le")
		if bounds[name] == nil {
			bounds[name] = map[string][]string{}
		}
		of := fmt.Sprint(rest) // fmt sorts the keys
		bounds[name][of] = append(bounds[name][of], labels["le"])
	}
	for _, name := range slices.Sorted(maps.Keys(bounds)) {
		first := ""
		for _, of := range slices.Sorted(maps.Keys(bounds[name])) {
			slices.Sort(bounds[name][of])
			these := strings.Join(bounds[name][of], " ")
			if first == "" {
				first = these
			}
			if these != first {
				return fmt.Sprintf("%s has series with the buckets %s and others with %s", strings.TrimSuffix(name, "_bucket"), first, these), ""
			}
		}
	}
	return "", ""
}

// namedLikeAttribute compares names as Prometheus writes them: with underscores for
// dots, and endings for counters, ratios and the parts of a histogram.
func namedLikeAttribute(s seen) (example, trace string) {
	keys := map[string]string{}
	for key := range semconv.Keys() {
		if a, _ := semconv.Lookup(key); a.Deprecated == "" {
			keys[strings.ReplaceAll(key, ".", "_")] = key
		}
	}
	names := map[string]bool{}
	for _, labels := range s.metrics.lastHour {
		names[labels["__name__"]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		plain := strings.TrimSuffix(strings.TrimSuffix(name, "_total"), "_ratio")
		plain = strings.TrimSuffix(plain, "_bucket")
		if key, same := keys[plain]; same {
			return fmt.Sprintf("the metric %s has the name of the attribute %s", name, key), ""
		}
	}
	return "", ""
}
