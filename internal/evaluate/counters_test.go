package evaluate

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"throughline/internal/evaluate/result"
)

func TestRiseOfCounters(t *testing.T) {
	before := reading{"kept": 10, "restarted": 100, "gone": 50}
	after := reading{"kept": 13, "restarted": 4, "new": 5}
	assert.EqualValues(t, 3+4+5, before.riseTo(after))
	assert.EqualValues(t, 50, reading{endedSeries + "restarted": 20}.riseTo(reading{"restarted": 50}), "the process before had counted as well")
	assert.EqualValues(t, 3, reading{"killed": 20, endedSeries + "long gone": 7}.riseTo(reading{endedSeries + "killed": 23, endedSeries + "long gone": 7}))
	assert.EqualValues(t, 12, reading(nil).riseTo(reading{"new": 12}), "a counter is born with its first loss")
}

func TestOnlyWhatRoseIsCounted(t *testing.T) {
	before := readings{"a": {"x": 1}, "b": {"x": 2}}
	after := readings{"a": {"x": 1}, "b": {"x": 4}, "c": {"y": 1}}
	assert.Equal(t, []result.Count{{Name: "b", Value: 2}, {Name: "c", Value: 1}}, before.risesTo(after))
}
