package evaluate

import (
	"math"
	"slices"

	"throughline/internal/evaluate/result"
)

// distribution describes the samples, in their own unit. A percentile is a
// sample: the least that so many percent of all do not exceed. Of no samples all
// is zero.
func distribution(samples []float64) result.Distribution {
	if len(samples) == 0 {
		return result.Distribution{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	percentiles := make([]float64, 101)
	for percent := range percentiles {
		rank := int(math.Ceil(float64(percent*len(sorted)) / 100))
		percentiles[percent] = sorted[max(rank, 1)-1]
	}
	return result.Distribution{
		Count: len(sorted), P50: percentiles[50], P95: percentiles[95], Max: percentiles[100], Percentiles: percentiles,
	}
}
