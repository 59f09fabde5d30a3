package evaluate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
)

func TestDistribution(t *testing.T) {
	var samples []float64
	for i := 200; i > 0; i-- {
		samples = append(samples, float64(i))
	}
	d := distribution(samples)
	require.Equal(t, 200.0, samples[0], "the samples stay as they are")
	require.Equal(t, 200, d.Count)
	require.Equal(t, 100.0, d.P50)
	require.Equal(t, 190.0, d.P95)
	require.Equal(t, 200.0, d.Max)
	require.Len(t, d.Percentiles, 101)
	require.Equal(t, 1.0, d.Percentiles[0])
	require.Equal(t, 2.0, d.Percentiles[1])
	require.Equal(t, 198.0, d.Percentiles[99])
}

func TestDistributionOfFewSamples(t *testing.T) {
	require.Equal(t, result.Distribution{}, distribution(nil))
	one := distribution([]float64{7})
	require.Equal(t, 1, one.Count)
	for _, value := range append(one.Percentiles, one.P50, one.P95, one.Max) {
		require.Equal(t, 7.0, value)
	}
	three := distribution([]float64{3, 1, 2})
	require.Equal(t, 2.0, three.P50)
	require.Equal(t, 3.0, three.P95, "the highest of few")
}
