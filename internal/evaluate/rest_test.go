package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
)

// busyStack has an audit trail and counters that somebody else adds to for so many
// looks.
func busyStack(t *testing.T, looks int64) *lab {
	t.Helper()
	var seen atomic.Int64
	next := func() int64 { return min(seen.Add(1), looks) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/logins", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"total":%d,"logins":[]}`, next())
	})
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		value := int64(7)
		if r.FormValue("query") == stages["logins counted"] {
			value = next()
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1700000000,"%d"]}]}}`, value)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return newLab(targetAt(server.URL), nil, plan{rest: 2 * time.Second}, t.Output())
}

func TestOtherTrafficEndsTheWait(t *testing.T) {
	t.Parallel()
	const endless = 1 << 40
	_, err := busyStack(t, endless).rowsAtRest(t.Context())
	require.ErrorAs(t, err, &disturbed{})
	require.Regexp(t, `after 2s still rise: rows of the audit trail, [\d.]+ a second; something else uses the stack`, err.Error())

	err = busyStack(t, endless).awaitCounters(t.Context())
	require.ErrorAs(t, err, &disturbed{})
	require.Regexp(t, `still rise: logins counted, [\d.]+ a second; something else`, err.Error(), "the other counters stand still")
}

func TestWhatComesToRestIsWaitedFor(t *testing.T) {
	t.Parallel()
	rows, err := busyStack(t, 2).rowsAtRest(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, rows)
}

// Under somebody else's traffic no later step would be right either.
func TestOtherTrafficStopsTheEvaluation(t *testing.T) {
	var r result.Results
	_, err := step{name: "steady load", run: func(context.Context, *result.Results) (string, error) {
		return "", fmt.Errorf("rows: %w", disturbed{errors.New("rows rise")})
	}}.take(t.Context(), io.Discard, &r)
	require.ErrorContains(t, err, `"steady load"`)
	require.ErrorContains(t, err, "rows rise")
	require.Empty(t, r.NotRun, "it is taken again by the next run")
}

// working is a stack whose parts use so much of a core at first, and are idle
// after so many looks.
type working struct {
	parts
	cores map[string]float64
	looks int
	began time.Time
	spent map[string]float64
}

func (w *working) Usage(part string) (stack.Usage, error) {
	if part == "rabbitmq" {
		return stack.Usage{}, errors.New("it is not ours")
	}
	if w.spent == nil {
		w.spent, w.began = map[string]float64{}, time.Now()
	}
	if part == "tempo" {
		w.looks--
	}
	if w.looks > 0 {
		w.spent[part] = w.cores[part] * time.Since(w.began).Seconds()
	}
	return stack.Usage{CPUSeconds: w.spent[part]}, nil
}

// storesThatSay answers as Tempo and Jaeger of their metrics.
func storesThatSay(t *testing.T, metrics func(path string) string) (l *lab, flushed *atomic.Int32) {
	t.Helper()
	flushed = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/flush" {
			flushed.Add(1)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, metrics(r.URL.Path))
	}))
	t.Cleanup(server.Close)
	l = newLab(targetAt(server.URL), &working{}, plan{rest: 3 * time.Second}, t.Output())
	l.target.CollectorURL, l.jaegerMetrics = server.URL+"/collector", server.URL+"/jaeger"
	return l, flushed
}

func TestALoadBeginsWhenTheStoresAreAtRest(t *testing.T) {
	t.Parallel()
	nothing := func(string) string { return "" }
	l, flushed := storesThatSay(t, nothing)
	l.parts = &working{cores: map[string]float64{"tempo": 1.07}, looks: 3}
	busy, err := l.awaitRest(t.Context())
	require.NoError(t, err)
	assert.Empty(t, busy)
	assert.EqualValues(t, 1, flushed.Load(), "what Tempo holds back would fall into the step")
	assert.LessOrEqual(t, l.parts.(*working).looks, 0, "it did not wait")
}

func TestWhatIsStillAtWorkIsTold(t *testing.T) {
	const never = 1 << 30
	for want, test := range map[string]struct {
		cores       map[string]float64
		at, metrics string
	}{
		`^after 3s tempo used 1\.\d\d cores$`:                               {map[string]float64{"tempo": 1.07, "jaeger": 0.01}, "", ""},
		"^after 3s tempo_ingester_flush_queue_length was 3$":                {nil, "/metrics", "tempo_ingester_flush_queue_length 3\n"},
		"^after 3s jaeger_storage_badger_compaction_current_num_lsm was 1$": {nil, "/jaeger", "jaeger_storage_badger_compaction_current_num_lsm 1\n"},
		"^after 3s bytes wait in the collector's queues$":                   {nil, "/collector", "otelcol_exporter_queue_size{data_type=\"traces\"} 9\n"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			l, _ := storesThatSay(t, func(path string) string {
				if path == test.at {
					return test.metrics
				}
				return ""
			})
			l.parts = &working{cores: test.cores, looks: never}
			busy, err := l.awaitRest(t.Context())
			require.NoError(t, err)
			assert.Regexp(t, want, busy)
		})
	}
}
