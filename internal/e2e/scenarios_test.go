package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/load"
)

const auditQueue = "user.events.audit"

func scenario(t *testing.T, name string, duration time.Duration) load.Options {
	t.Helper()
	requireLoginsWorkWithin(t, time.Minute)
	// The rows of these logins are there, and are not counted as the load's.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	audit, err := demo.WaitForAudit(ctx, target.AuditURL, demo.AuditFilter{TraceID: logIn(t, 1)[0].TraceID},
		func(a demo.Audit) bool { return a.Total > 0 })
	require.NoError(t, err)
	require.NotZero(t, audit.Total)
	s, err := load.Find(name)
	require.NoError(t, err)
	return load.Options{
		LoginURL: target.LoginURL, AuditURL: target.AuditURL, RabbitMQURL: target.RabbitMQURL, OTLPGRPC: target.OTLPGRPC,
		Scenario: s, Rate: 20, Duration: duration, StoreTimeout: time.Minute,
		RestartAuditMQ: func(ctx context.Context, variables ...string) error {
			return running.Start(ctx, "audit-mq", variables...)
		},
	}
}

// auditMQ returns what audit-mq runs with: its fingerprint, and the faults
// in its environment.
func auditMQ(t *testing.T) (fingerprint string, faults []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(running.RunDir(), "pids", "audit-mq.json"))
	require.NoError(t, err)
	var record struct {
		PID         int32
		Fingerprint string
	}
	require.NoError(t, json.Unmarshal(content, &record))
	environment, err := (&process.Process{Pid: record.PID}).Environ()
	require.NoError(t, err)
	for _, variable := range environment {
		if strings.HasPrefix(variable, "AUDIT_MQ_") && !strings.HasPrefix(variable, "AUDIT_MQ_PORT=") {
			faults = append(faults, variable)
		}
	}
	return record.Fingerprint, faults
}

// runScenario drives it and checks that audit-mq is then as it was before.
func runScenario(ctx context.Context, t *testing.T, options load.Options) load.Report {
	t.Helper()
	before, faults := auditMQ(t)
	require.Empty(t, faults)
	report, err := load.Run(ctx, options)
	require.NoError(t, err)
	require.NoError(t, report.Err())
	after, faults := auditMQ(t)
	assert.Equal(t, before, after)
	assert.Empty(t, faults)
	return report
}

// watchQueue follows how many messages wait for audit-mq, and returns the most
// there were at once so far.
func watchQueue(t *testing.T) (most func() int) {
	t.Helper()
	ch := channel(t)
	var highest atomic.Int64
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if queue, err := ch.QueueDeclarePassive(auditQueue, true, false, false, false, nil); err == nil {
				highest.Store(max(highest.Load(), int64(queue.Messages)))
			}
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { close(done); <-stopped })
	return func() int { return int(highest.Load()) }
}

func queued(t *testing.T, name string) int {
	t.Helper()
	queue, err := channel(t).QueueDeclarePassive(name, true, false, false, false, nil)
	require.NoError(t, err)
	return queue.Messages
}

func TestScenarioBurst(t *testing.T) {
	report := runScenario(t.Context(), t, scenario(t, "burst", 7*time.Second))
	assert.InDelta(t, 6*20+1*200, report.Requests, 20)
	assert.InDelta(t, 320.0/7, report.TargetRate, 0.1)
	assert.EqualValues(t, 1, report.SuccessRatio)
}

func TestScenarioSlowConsumerFillsTheQueueWhichThenDrains(t *testing.T) {
	options := scenario(t, "slow-consumer", 6*time.Second)
	most := watchQueue(t)
	report := runScenario(t.Context(), t, options)
	assert.Greater(t, most(), 20)
	assert.Zero(t, queued(t, auditQueue))
	assert.GreaterOrEqual(t, report.Events.Stored, report.Events.Acknowledged)
	assert.EqualValues(t, 1, report.SuccessRatio, "who logs in notices nothing")
}

func TestScenarioThatIsInterruptedRestoresTheConsumer(t *testing.T) {
	options := scenario(t, "slow-consumer", 10*time.Minute)
	most := watchQueue(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		for most() == 0 && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
		interrupt()
	}()
	report := runScenario(ctx, t, options)
	assert.Positive(t, most())
	assert.Zero(t, queued(t, auditQueue))
	assert.Less(t, report.Seconds, 60.0)
}

func TestScenarioFailingConsumerRetriesAndGivesSomeUp(t *testing.T) {
	options := scenario(t, "failing-consumer", 5*time.Second)
	dead := queued(t, deadQueue)
	report := runScenario(t.Context(), t, options)
	assert.Positive(t, report.Events.DeadLettered)
	assert.GreaterOrEqual(t, queued(t, deadQueue), dead+report.Events.DeadLettered)
	assert.GreaterOrEqual(t, report.Events.Stored+report.Events.DeadLettered, report.Events.Acknowledged)
	retried := 0
	for _, user := range demo.Users {
		audit, err := demo.ReadAudit(t.Context(), target.AuditURL, demo.AuditFilter{UserID: user.ID, Limit: 10})
		require.NoError(t, err)
		for _, login := range audit.Logins {
			if login.Attempt > 1 {
				retried++
			}
		}
	}
	assert.Positive(t, retried, "logins that took more than one attempt")
}

func TestScenarioPoisonIsDeadLetteredAndTraced(t *testing.T) {
	options := scenario(t, "poison", 4*time.Second)
	began := time.Now()
	report := runScenario(t.Context(), t, options)
	assert.Greater(t, report.Events.Poison, 2)
	assert.EqualValues(t, 1, report.SuccessRatio)

	ch := channel(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	waiting := queued(t, deadQueue)
	deliveries, err := ch.ConsumeWithContext(ctx, deadQueue, "", false, false, false, false, nil)
	require.NoError(t, err)
	traceID, poison := "", 0
	for range waiting { // those of this run, and whatever else was given up before or meanwhile
		d, open := <-deliveries
		require.True(t, open, "the queue held %d messages", waiting)
		if d.AppId == "throughline-load" && !d.Timestamp.Before(began.Truncate(time.Second)) {
			traceID = strings.Split(d.Headers["traceparent"].(string), "-")[1]
			poison++
		}
	}
	require.NoError(t, ch.Close()) // all go back
	assert.Equal(t, report.Events.Poison, poison)
	require.NotEmpty(t, traceID)
	for _, store := range []backend.TraceStore{jaeger(), tempo()} {
		trace, err := backend.WaitForSpans(ctx, store, traceID, 3)
		require.NoError(t, err, store.Name())
		var spans []string
		for _, s := range trace.Spans {
			spans = append(spans, s.Service+" "+s.Name)
		}
		assert.ElementsMatch(t, []string{
			"throughline-load send user.events:user.logged_in",
			"audit-mq process user.events:user.logged_in:user.events.audit",
			"audit-mq send user.events.audit.dead",
		}, spans, store.Name())
	}
}

func TestScenarioErrorsIsAnsweredAsItShouldBe(t *testing.T) {
	report := runScenario(t.Context(), t, scenario(t, "errors", 5*time.Second))
	require.Len(t, report.StatusCodes, 4)
	for status, count := range map[string]int{"200": 50, "400": 20, "401": 20, "413": 10} {
		assert.InDelta(t, count, report.StatusCodes[status], 2, status)
	}
	assert.EqualValues(t, 1, report.SuccessRatio)
	assert.Empty(t, report.Errors)
}
