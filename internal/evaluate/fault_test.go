package evaluate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/demo"
	"throughline/internal/evaluate/result"
)

// at is a moment of a load that began at noon.
func at(seconds float64) time.Time {
	return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func describeLab(t *testing.T) *lab {
	t.Helper()
	return newLab(targetAt("http://127.0.0.1:1"), nil, plans["short"], t.Output())
}

func TestOnlyWhatWentWithTheKilledServiceIsExplained(t *testing.T) {
	early, late, after := login{"1", at(1)}, login{"2", at(9)}, login{"3", at(12)}
	load := &traffic{began: at(0), logins: []login{early, late, after}, answers: []answer{{at(1), true}, {at(9), true}, {at(12), true}}}
	kept := &followed{
		spans: map[string]missingServices{
			"Jaeger": {early: {"audit-mq"}, late: {"audit-mq", "audit-mq", "login-api"}},
			"Tempo":  {late: {"audit-mq", "audit-mq"}},
		},
		logs: missingServices{late: {"audit-mq"}, after: {"audit-mq"}},
	}
	l := describeLab(t)

	killed := l.describe(fault{kind: result.KindKill, loses: "audit-mq"}, load, kept, at(10), at(11))
	assert.Equal(t, []result.Missing{
		{Store: "Jaeger", Expected: 24, Missing: 4, Explained: 2}, // not what is too early, nor another service's
		{Store: "Tempo", Expected: 24, Missing: 2, Explained: 2},
	}, killed.Spans)
	assert.Equal(t, []result.Missing{{Store: "Loki", Expected: 15, Missing: 2, Explained: 1}}, killed.Logs)
	assert.False(t, killed.OK)

	stopped := l.describe(fault{kind: result.KindOutage}, load, kept, at(10), at(11))
	assert.Equal(t, 4+2+2, missing(stopped), "nothing explains a loss in an outage")

	tempo := l.describe(fault{kind: result.KindKill, loses: "Tempo"}, load, kept, at(10), at(11))
	assert.Equal(t, 0, tempo.Spans[0].Explained, "Jaeger was not killed")
	assert.Equal(t, 2, tempo.Spans[1].Explained)
}

func TestLostMessageIsNeverOK(t *testing.T) {
	one := login{"1", at(1)}
	load := &traffic{began: at(0), logins: []login{one}, answers: []answer{{at(1), true}}}
	l := describeLab(t)
	whole := &followed{spans: map[string]missingServices{"Jaeger": {}, "Tempo": {}}}
	assert.True(t, l.describe(fault{}, load, whole, at(2), at(3)).OK)
	whole.unstored = []login{one}
	assert.False(t, l.describe(fault{}, load, whole, at(2), at(3)).OK)
	whole.unstored, whole.doubled = nil, []login{one}
	assert.False(t, l.describe(fault{}, load, whole, at(2), at(3)).OK)
}

func TestTimeline(t *testing.T) {
	load := &traffic{began: at(0), answers: []answer{{at(0.5), true}, {at(1.2), false}, {at(1.9), false}, {at(3.1), true}}}
	queued := &gauge{values: map[int64]float64{at(1).Unix(): 512}}
	moments := load.timeline(queued, at(1.5), at(2.5))
	assert.Len(t, moments, 4)
	assert.Equal(t, 1, moments[0].OK)
	assert.Equal(t, 2, moments[1].Failed)
	assert.InDelta(t, 512, *moments[1].QueuedBytes, 0)
	assert.Nil(t, moments[2].QueuedBytes, "the collector did not say")
	var faulty []bool
	for _, m := range moments {
		faulty = append(faulty, m.Faulty)
	}
	assert.Equal(t, []bool{false, true, true, false}, faulty)
}

// loginOnly is a stack in which logins work, Prometheus has no series, and no
// store ever holds a trace.
func loginOnly(t *testing.T, prometheus int) *lab {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/login", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(demo.TraceIDHeader, "0af7651916cd43dd8448eb211c80319c")
	})
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(prometheus)
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p := plans["short"]
	p.faultBefore, p.faultAfter, p.recovery = 0, 0, 300*time.Millisecond
	l := newLab(targetAt(server.URL), nil, p, t.Output())
	l.deadLetters = func() (int, error) { return 3, nil }
	return l
}

// quiet is a fault that does nothing.
func quiet() fault {
	return fault{name: "nothing", kind: result.KindOutage, begin: func(context.Context, *traffic) (func(context.Context) error, error) {
		return func(context.Context) error { return nil }, nil
	}}
}

func TestAFailedUndoIsTold(t *testing.T) {
	f := quiet()
	f.prepare = func(context.Context) (func(context.Context) error, error) {
		return func(context.Context) error { return errors.New("the disk is still mounted") }, nil
	}
	_, err := loginOnly(t, http.StatusInternalServerError).inject(t.Context(), f)
	require.ErrorContains(t, err, "Prometheus")
	require.ErrorContains(t, err, "the disk is still mounted")

	found, err := loginOnly(t, http.StatusOK).inject(t.Context(), f)
	require.NoError(t, err)
	require.Contains(t, found.Detail, "the disk is still mounted")
}

func TestAFaultThatNeverRecoversFails(t *testing.T) {
	found, err := loginOnly(t, http.StatusOK).inject(t.Context(), quiet())
	require.NoError(t, err, "it was brought about")
	require.False(t, found.OK)
	require.True(t, found.NotRecovered)
	require.Contains(t, found.Detail, "300ms after the fault no new login is whole in every store")
	require.Positive(t, found.Acknowledged)
	require.Positive(t, found.DataRecovery, "how long it was waited for")
	require.NotEmpty(t, found.Timeline)
}

func TestAMessageThatIsDeadLetteredFails(t *testing.T) {
	l, dead := loginOnly(t, http.StatusOK), 3
	l.deadLetters = func() (int, error) { dead += 2; return dead, nil }
	found, err := l.inject(t.Context(), quiet())
	require.NoError(t, err)
	require.Contains(t, found.Detail, "2 messages are dead letters")
}

func TestAPartThatDoesNotComeBackFails(t *testing.T) {
	f := quiet()
	f.begin = func(context.Context, *traffic) (func(context.Context) error, error) {
		return func(context.Context) error { return errors.New("tempo died while starting") }, nil
	}
	found, err := loginOnly(t, http.StatusOK).inject(t.Context(), f)
	require.NoError(t, err)
	require.False(t, found.OK)
	require.Contains(t, found.Detail, "tempo died while starting")

	f.begin = func(context.Context, *traffic) (func(context.Context) error, error) {
		return nil, errors.New("no such part")
	}
	_, err = loginOnly(t, http.StatusOK).inject(t.Context(), f)
	require.ErrorContains(t, err, "no such part", "it was not brought about")
}

// Recovery looks at them: the first may have lost a span and never be whole.
func TestLaterLoginsAreSampledToo(t *testing.T) {
	load := &traffic{}
	for s := range 12 {
		load.logins = append(load.logins, login{answered: at(float64(s))})
	}
	var sampled []time.Time
	for _, one := range load.sampleAfter(at(0), 5*time.Second) {
		sampled = append(sampled, one.answered)
	}
	assert.Equal(t, []time.Time{at(1), at(7)}, sampled)
}
