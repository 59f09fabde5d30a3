package evaluate

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"throughline/internal/load"
	"throughline/internal/verify"
)

func answered(code uint16) load.Answer {
	return load.Answer{Result: &vegeta.Result{Code: code, Timestamp: time.Now()}, TraceID: "1"}
}

func TestFreshnessLooksUntilItShows(t *testing.T) {
	var looks atomic.Int32
	f := watch(t.Context(), []*signal{{
		name: "spans, by id", store: "Tempo", every: time.Hour, rest: time.Millisecond, how: "by hand",
		age: func(context.Context, load.Answer) (time.Duration, error) {
			if looks.Add(1) < 3 {
				return 0, errNotYet
			}
			return 1500 * time.Millisecond, nil
		},
	}})
	f.observe(answered(http.StatusServiceUnavailable)) // leaves nothing to look for
	f.observe(answered(http.StatusOK))
	f.observe(answered(http.StatusOK)) // too soon after the other
	found := f.wait()
	require.Len(t, found, 1)
	require.EqualValues(t, 3, looks.Load())
	require.Equal(t, "Tempo", found[0].Store)
	require.Equal(t, 1, found[0].Distribution.Count)
	require.Equal(t, 1.5, found[0].Distribution.P95)
	require.Contains(t, found[0].How, "by hand; ")
}

func TestWhatNeverShowsCountsAsTheWait(t *testing.T) {
	old := answered(http.StatusOK)
	old.Timestamp = old.Timestamp.Add(50*time.Millisecond - freshnessTimeout)
	f := watch(t.Context(), []*signal{{age: func(context.Context, load.Answer) (time.Duration, error) { return 0, errNotYet }}})
	f.observe(old)
	found := f.wait()
	require.Equal(t, freshnessTimeout.Seconds(), found[0].Distribution.Max)
	require.Contains(t, found[0].How, "1 not seen in 30s count as that, the last because: "+errNotYet.Error())
}

func TestInterruptedFreshnessEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := watch(ctx, []*signal{{rest: time.Hour, age: func(context.Context, load.Answer) (time.Duration, error) {
		cancel()
		return 0, errNotYet
	}}})
	f.observe(answered(http.StatusOK))
	require.Zero(t, f.wait()[0].Distribution.Count)
}

func TestAnOlderPointDoesNotShowALogin(t *testing.T) {
	login := answered(http.StatusOK)
	var point time.Time
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%.3f"]}]}}`, float64(point.UnixMilli())/1000)
	}))
	t.Cleanup(prometheus.Close)
	l := newLab(verify.Target{PrometheusURL: prometheus.URL}, nil, plan{}, nil)

	point = login.Timestamp.Add(-time.Millisecond)
	_, err := l.ageInPrometheus(t.Context(), login)
	require.ErrorIs(t, err, errNotYet)
	point = login.Timestamp.Add(time.Millisecond)
	age, err := l.ageInPrometheus(t.Context(), login)
	require.NoError(t, err)
	require.Positive(t, age)
}

func TestAPartOfATraceIsNotYetThere(t *testing.T) {
	spans := ""
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"traces":[{"traceID":"1","spanSets":[%s]}]}`, spans)
	}))
	t.Cleanup(tempo.Close)
	l := newLab(verify.Target{TempoURL: tempo.URL}, nil, plan{}, nil)
	for range verify.LoginSpans - 1 {
		spans += `{"matched":1},`
	}
	spans = spans[:len(spans)-1]
	_, err := l.ageInTempoSearch(t.Context(), answered(http.StatusOK))
	require.ErrorIs(t, err, errNotYet)
}
