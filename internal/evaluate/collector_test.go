package evaluate

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"throughline/internal/evaluate/result"
)

func TestTheRatioIsTheMedianOfTheRounds(t *testing.T) {
	round := func(full, bare float64) result.CollectorRound {
		return result.CollectorRound{
			Full: result.CollectorRun{Accepted: 1000, CPUSeconds: full},
			Bare: result.CollectorRun{Accepted: 1000, CPUSeconds: bare},
		}
	}
	c := &result.Collector{Rounds: []result.CollectorRound{round(2, 1), round(4, 3), round(10, 1)}}
	summarize(c)
	assert.InDelta(t, 0.5, c.Ratio, 1e-9)
	assert.InDelta(t, 0.1, c.Min, 1e-9)
	assert.InDelta(t, 0.75, c.Max, 1e-9)
	assert.InDelta(t, 250, c.Full, 1e-9)
	assert.InDelta(t, 1000, c.Bare, 1e-9)
}
