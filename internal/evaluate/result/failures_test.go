package result

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatMakesAnEvaluationFail(t *testing.T) {
	one := 1.0
	good := Results{
		Objectives:  []Objective{{Name: "fresh", Value: &one, OK: true}, {Name: "efficient", NotApplicable: true}},
		Faults:      []Fault{{Name: "kill -9 of tempo", OK: true}},
		Correctness: &Correctness{Accounts: []Account{{Signal: "spans", Balanced: true}}},
		NotRun:      []NotRun{{Step: "full disk", Reason: "it takes root", NotApplicable: true}},
	}
	assert.Empty(t, good.Failures(), "what does not apply is no failure")

	bad := Results{
		Objectives:  []Objective{{Name: "fresh", Value: &one}, {Name: "efficient"}},
		Faults:      []Fault{{Name: "kill -9 of tempo", Detail: "it never came back"}, {Name: "burst"}},
		Correctness: &Correctness{Accounts: []Account{{Signal: "spans"}}},
		NotRun:      []NotRun{{Step: "capacity", Reason: "RabbitMQ does not answer"}},
	}
	assert.Equal(t, []string{
		"objective missed: fresh",
		"objective not measured: efficient",
		"fault failed: kill -9 of tempo: it never came back",
		"fault failed: burst",
		"account does not balance: spans",
		"step not run: capacity: RabbitMQ does not answer",
	}, bad.Failures())
}
