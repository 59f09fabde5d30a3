package evaluate

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
)

func TestOnlyAStepThatAppliesAndIsNotRunFails(t *testing.T) {
	for name, test := range map[string]struct {
		step          step
		line          string
		failures      int
		notApplicable bool
	}{
		"runs":           {step{run: func(context.Context, *result.Results) (string, error) { return "measured", nil }}, "✓ measured", 0, false},
		"does not apply": {step{skip: "not under Docker Compose"}, "- not applicable: not under Docker Compose", 0, true},
		"takes root": {step{run: func(context.Context, *result.Results) (string, error) {
			return "", notApplicable{errors.New("it takes root")}
		}}, "✓ not measured: it takes root", 0, true},
		"cannot be run": {step{run: func(context.Context, *result.Results) (string, error) {
			return "", errors.New("Tempo is away")
		}}, "✗ not measured: Tempo is away", 1, false},
		"fails": {step{run: func(_ context.Context, r *result.Results) (string, error) {
			r.Faults = append(r.Faults, result.Fault{Name: "kill"})
			return "not recovered", nil
		}}, "✗ not recovered", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var r result.Results
			line, err := test.step.take(t.Context(), t.Output(), &r)
			require.NoError(t, err)
			assert.Equal(t, test.line, line)
			assert.Len(t, r.Failures(), test.failures)
			if len(r.NotRun) > 0 {
				assert.Equal(t, test.notApplicable, r.NotRun[0].NotApplicable)
			}
		})
	}
}

// What cannot be done under Docker Compose is known before it is tried.
func TestUnderComposeSomeStepsDoNotApply(t *testing.T) {
	left := map[string]bool{}
	var r result.Results
	for _, step := range newLab(targetAt("http://127.0.0.1:1"), compose{}, plans["full"], t.Output()).steps() {
		if step.skip != "" {
			left[step.name] = true
			_, err := step.take(t.Context(), t.Output(), &r)
			require.NoError(t, err)
		}
	}
	assert.Equal(t, map[string]bool{
		stepCollector: true, stepSampling: true,
		"full disk below the collector's queues": true, "slow backend: Jaeger answers a second late": true,
		"alarm of the broker, a tenth of the attempts fails": true, "outage of audit-mq's database, 1m0s": true,
		"kill -9 of the broker's node that leads audit-mq's queue": true,
	}, left)
	verdicts := map[string]int{}
	for _, o := range objectives(&r, plans["full"]) {
		verdicts[o.Verdict()]++
	}
	assert.Equal(t, map[string]int{"not applicable": 3, "not measured": 10}, verdicts)
}

func TestABrokerOfTheUsersIsNotBroken(t *testing.T) {
	l := newLab(targetAt("http://127.0.0.1:1"), native{}, plans["full"], t.Output())
	l.brokerNodes = 0
	left := 0
	for _, f := range l.faults() {
		if f.skip != "" {
			left++
			assert.Equal(t, "rabbitmq", f.part, f.name)
		}
	}
	assert.Equal(t, 4, left, "its kill, its outage, its alarm and the loss of a node")
}
