package evaluate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
)

func TestDataThatShrankHasNoSize(t *testing.T) {
	m := &meter{
		began: at(0), ended: at(10),
		diskBefore: map[string]int64{"jaeger": 5_000_000, "tempo": 1_000_000},
		diskAfter:  map[string]int64{"jaeger": 1_250_000, "tempo": 3_000_000},
	}
	costs := map[string]result.PartCost{}
	for _, cost := range m.parts(&meter{began: at(0), ended: at(0).Add(time.Second)}) {
		costs[cost.Part] = cost
	}
	require.Nil(t, costs["jaeger"].DiskBytes)
	assert.Equal(t, "shrank by 3750000 bytes: it had not settled", costs["jaeger"].DiskNote)
	require.NotNil(t, costs["tempo"].DiskBytes)
	assert.EqualValues(t, 2_000_000, *costs["tempo"].DiskBytes)
	assert.Empty(t, costs["tempo"].DiskNote)
	assert.Empty(t, costs["loki"].DiskNote, "it is not known")
}
