package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTraceSaysWhatItWants(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for want, args := range map[string][]string{
		`--from "loki": give jaeger or tempo`: {"trace", id, "--from", "loki"},
		`"12" is not a trace id`:              {"trace", "12"},
		"Jaeger does not answer":              {"trace", id, "--url", "http://127.0.0.1:1"},
		"Tempo does not answer":               {"trace", id, "--from", "tempo", "--url", "http://127.0.0.1:1"},
	} {
		var out, errOut bytes.Buffer
		require.Equal(t, exitFailure, run(args, &out, &errOut))
		require.Contains(t, errOut.String(), want)
		require.Empty(t, out.String())
	}
}

func TestTraceWithoutAnIDSaysWhereItIs(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"trace"}, &out, &errOut))
	require.Contains(t, errOut.String(), "make trace ID=<trace id>")
}

func TestLoadAndVerifyRefuseNothingToDo(t *testing.T) {
	for want, args := range map[string][]string{
		"give a rate of at least 1": {"load", "--rate", "0"},
		"--logins 0":                {"verify", "--logins", "0"},
	} {
		var out, errOut bytes.Buffer
		require.Equal(t, exitFailure, run(args, &out, &errOut))
		require.Contains(t, errOut.String(), want)
	}
}
