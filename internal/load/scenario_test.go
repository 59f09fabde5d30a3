package load

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	for _, name := range []string{"steady", "burst", "slow-consumer", "failing-consumer", "poison", "errors"} {
		s, err := Find(name)
		require.NoError(t, err)
		assert.Equal(t, name, s.Name)
		assert.NotEmpty(t, s.Does)
		assert.NotEmpty(t, s.Look)
	}
	_, err := Find("calm")
	require.ErrorContains(t, err, `"calm": give one of steady, burst, slow-consumer, failing-consumer, poison, errors`)
}

func TestBurstPacer(t *testing.T) {
	const p = burstPacer(20)
	for within, hits := range map[time.Duration]int{
		time.Second: 20, 6 * time.Second: 120, 7 * time.Second: 320, 8 * time.Second: 520,
		9 * time.Second: 540, 14 * time.Second: 640, 16 * time.Second: 1040,
	} {
		assert.Equal(t, hits, p.hits(within), within)
	}
	assert.InDelta(t, 20, p.Rate(5*time.Second), 0)
	assert.InDelta(t, 200, p.Rate(7*time.Second), 0)
	assert.InDelta(t, 20, p.Rate(8*time.Second), 0)

	wait, stop := p.Pace(0, 0)
	assert.Equal(t, 50*time.Millisecond, wait)
	assert.False(t, stop)
	wait, _ = p.Pace(6*time.Second, 120)
	assert.Equal(t, 5*time.Millisecond, wait)
	wait, _ = p.Pace(6*time.Second, 100)
	assert.LessOrEqual(t, wait, time.Duration(0), "late: at once")
}

func TestEveryRateKeepsItsPace(t *testing.T) {
	for _, rate := range []int{1, 3, 7, 50, 333} {
		p := burstPacer(rate)
		assert.Equal(t, rate*(6+2*10), p.hits(calm+burst), rate)
		for n := range uint64(rate * 60) {
			if p.due(n+1) > p.due(n+2) {
				t.Fatalf("rate %d: request %d is due before request %d", rate, n+2, n+1)
			}
		}
	}
}

func TestErrorsMixesGoodLoginsWithRefusedOnes(t *testing.T) {
	options := start(t, never, never)
	var err error
	options.Scenario, err = Find("errors")
	require.NoError(t, err)
	report, err := Run(t.Context(), options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	// On a busy machine the time is over before the last ones.
	assert.InDeltaMapValues(t, map[string]int{"200": 25, "400": 10, "401": 10, "413": 5}, report.StatusCodes, 4)
	assert.EqualValues(t, 1, report.SuccessRatio, "a refusal that was asked for is no failure")
	assert.Empty(t, report.Errors)
	assert.Equal(t, report.StatusCodes["200"], report.Events.Stored)
}

func TestErrorsStillReportsWhatFails(t *testing.T) {
	options := start(t, func(int) bool { return true }, never)
	var err error
	options.Scenario, err = Find("errors")
	require.NoError(t, err)
	report, err := Run(t.Context(), options)
	require.NoError(t, err)
	assert.InDeltaMapValues(t, map[string]int{"503": 25, "400": 10, "401": 10, "413": 5}, report.StatusCodes, 4)
	assert.InDelta(t, 0.5, report.SuccessRatio, 0.05)
	assert.Equal(t, []string{"503 Service Unavailable: the broker is away"}, report.Errors)
}

// consumer records how audit-mq is restarted.
type consumer struct {
	mu     sync.Mutex
	starts [][]string
	fail   map[int]error // by restart, from 1
	ended  bool          // the context of the last restart

	locked, unlocked int  // how often
	unguarded        bool // a restart came outside a lock
}

func (c *consumer) lock() (func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locked++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unlocked++
	}, nil
}

func (c *consumer) restart(ctx context.Context, variables ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts = append(c.starts, slices.Clone(variables))
	c.ended = ctx.Err() != nil
	c.unguarded = c.unguarded || c.locked != c.unlocked+1
	return c.fail[len(c.starts)]
}

func slowConsumer(t *testing.T, c *consumer) Options {
	t.Helper()
	options := start(t, never, never)
	options.RestartAuditMQ, options.Lock = c.restart, c.lock
	var err error
	options.Scenario, err = Find("slow-consumer")
	require.NoError(t, err)
	return options
}

var slowAndBack = [][]string{{"AUDIT_MQ_DELAY=1s"}, nil}

func TestConsumerIsBroughtBackOnce(t *testing.T) {
	c := &consumer{}
	report, err := Run(t.Context(), slowConsumer(t, c))
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, slowAndBack, c.starts)
	assert.Equal(t, "slow-consumer", report.Scenario)
}

func TestConsumerIsBroughtBackWhenTheLoadIsInterrupted(t *testing.T) {
	c := &consumer{}
	options := slowConsumer(t, c)
	options.Duration = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	report, err := Run(ctx, options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	assert.Equal(t, slowAndBack, c.starts)
	assert.False(t, c.ended, "by a context of its own")
}

func TestConsumerIsBroughtBackWhenItDoesNotTakeTheFaults(t *testing.T) {
	c := &consumer{fail: map[int]error{1: errors.New("it dies")}}
	_, err := Run(t.Context(), slowConsumer(t, c))
	require.ErrorContains(t, err, "restart audit-mq with AUDIT_MQ_DELAY=1s: it dies")
	assert.Equal(t, slowAndBack, c.starts)
}

func TestConsumerThatIsNotBroughtBackIsReported(t *testing.T) {
	c := &consumer{fail: map[int]error{2: errors.New("it dies")}}
	report, err := Run(t.Context(), slowConsumer(t, c))
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "audit-mq may still run with AUDIT_MQ_DELAY=1s")
	require.ErrorContains(t, report.Err(), "throughline up")
}

func TestTheStackIsLockedWhileItsConsumerIsChanged(t *testing.T) {
	for name, fail := range map[string]map[int]error{"well": nil, "it does not start": {1: errors.New("it dies")}, "nor again": {1: errors.New("it dies"), 2: errors.New("it dies")}} {
		c := &consumer{fail: fail}
		_, _ = Run(t.Context(), slowConsumer(t, c))
		assert.Equal(t, []int{1, 1}, []int{c.locked, c.unlocked}, name)
		assert.False(t, c.unguarded, name)
	}

	c := &consumer{}
	options := slowConsumer(t, c)
	options.Lock = func() (func(), error) { return nil, errors.New("throughline evaluate (pid 7) is at work") }
	_, err := Run(t.Context(), options)
	require.ErrorContains(t, err, "throughline evaluate (pid 7) is at work")
	assert.Empty(t, c.starts)

	steady := slowConsumer(t, c)
	steady.Scenario = Scenarios[0]
	_, err = Run(t.Context(), steady)
	require.NoError(t, err)
	assert.Zero(t, c.locked, "up may mend a part that was killed under a load")
}

func TestConsumerOfSomebodyElseIsLeftAlone(t *testing.T) {
	options := slowConsumer(t, &consumer{})
	options.RestartAuditMQ = nil
	_, err := Run(t.Context(), options)
	require.ErrorContains(t, err, "AUDIT_MQ_DELAY=1s docker compose up -d --wait audit-mq")
}

func TestEventsThatWereGivenUpAreNotLost(t *testing.T) {
	given := Events{Acknowledged: 10, Stored: 7, DeadLettered: 3, Checked: 10, CheckedStoredOnce: 7, givenUp: true}
	assert.True(t, given.settled())
	assert.NoError(t, given.Err())
	assert.Contains(t, given.String(), "7 stored of 10 acknowledged logins, 3 dead-lettered")

	given.DeadLettered = 2
	assert.False(t, given.settled())
	assert.ErrorContains(t, given.Err(), "1 of 10 acknowledged logins are not stored")

	poisoned := Events{Acknowledged: 10, Stored: 9, DeadLettered: 3, Poison: 2}
	assert.ErrorContains(t, poisoned.Err(), "1 of 10 acknowledged logins are not stored", "a dead letter excuses no login here")
	poisoned = Events{Acknowledged: 10, Stored: 10, DeadLettered: 2, Poison: 3}
	assert.False(t, poisoned.settled())
	assert.ErrorContains(t, poisoned.Err(), "1 of 3 poison messages")
}

func TestRefusalsAreNoFaultOfOurs(t *testing.T) {
	s, err := Find("errors")
	require.NoError(t, err)
	for _, status := range []uint16{http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge} {
		assert.True(t, s.expects(status), status)
		assert.Equal(t, status == http.StatusOK, Scenarios[0].expects(status), status)
	}
	for _, status := range []uint16{0, http.StatusNotFound, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		assert.False(t, s.expects(status), status)
	}
}
