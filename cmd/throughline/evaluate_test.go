package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
)

func TestWhatFailedIsPrintedFirst(t *testing.T) {
	all := 1.0
	r := result.Results{
		Objectives: []result.Objective{
			{Name: "alike in both stores", Value: &all, Unit: "share", Target: 1, AtLeast: true, OK: true},
			{Name: "kept by sampling", Unit: "share", Target: 1, AtLeast: true, NotApplicable: true},
		},
		NotRun: []result.NotRun{{Step: "sampling", Reason: "under Docker Compose", NotApplicable: true}},
	}
	var out bytes.Buffer
	assert.Zero(t, printOutcome(&out, r))
	assert.Equal(t, "\nPassed.\n\n✓ alike in both stores: 100 % (100 %)\n- kept by sampling: not applicable (100 %)\n", out.String())

	r.Faults = []result.Fault{{Name: "kill -9 of tempo", Detail: "it never came back"}}
	r.NotRun = append(r.NotRun, result.NotRun{Step: "capacity", Reason: "RabbitMQ does not answer"})
	out.Reset()
	assert.Equal(t, 2, printOutcome(&out, r), "every objective is met, and yet")
	assert.Contains(t, out.String(), "\nFailed:\n✗ fault failed: kill -9 of tempo: it never came back\n✗ step not run: capacity: RabbitMQ does not answer\n\n✓ alike")
}

// Compose runs a broker of its own, whatever RABBITMQ_URL says.
func TestUnderComposeTheBrokerIsThatOfCompose(t *testing.T) {
	t.Setenv("RABBITMQ_URL", "amqp://somebody:else@192.0.2.1:5672/")
	s, err := stackOf("compose")
	require.NoError(t, err)
	assert.Equal(t, "amqp://throughline:throughline@127.0.0.1:5672/", s.Endpoints().RabbitMQ)
	s, err = stackOf("native")
	require.NoError(t, err)
	assert.Equal(t, "amqp://somebody:else@192.0.2.1:5672/", s.Endpoints().RabbitMQ)
	_, err = stackOf("kubernetes")
	require.ErrorContains(t, err, `--target "kubernetes": give native or compose`)

	t.Setenv("THROUGHLINE_RUN_DIR", t.TempDir())
	t.Setenv("LOGIN_API_PORT", "1") // nothing is there to be measured
	t.Setenv("RABBITMQ_URL", "no address")
	t.Setenv("RABBITMQ_NODES", "many")
	var out bytes.Buffer
	require.Equal(t, exitFailure, run([]string{"evaluate", "--target", "compose", "--out", filepath.Join(t.TempDir(), "report")}, &out, &out))
	assert.NotContains(t, out.String(), "RABBITMQ_", "they are not looked at")
	assert.Contains(t, out.String(), "the stack does not run as it should")

	out.Reset()
	require.Equal(t, exitFailure, run([]string{"evaluate", "--target", "compose", "--only", "stores"}, &out, &out))
	assert.Contains(t, out.String(), "leave --target out")
}
