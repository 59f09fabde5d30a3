package evaluate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
	"throughline/internal/load"
	"throughline/internal/verify"
)

const freshnessTimeout = 30 * time.Second

// freshness watches a running load: of some of its logins it measures how long
// they take to show in the stores.
type freshness struct {
	ctx     context.Context // of the load
	signals []*signal
	waiting sync.WaitGroup
}

// signal is one way in which a login shows. Its store is asked one question at a
// time, with a rest after it, however many logins do not show yet: a store that
// is slow to answer must not be slowed by being asked.
type signal struct {
	name, store, how string
	every            time.Duration // between two logins that are looked for
	rest             time.Duration
	// age asks once how old the login is. An error means that it does not show yet.
	age func(context.Context, load.Answer) (time.Duration, error)

	turn  chan struct{}
	taken time.Time // when the last login was

	mu     sync.Mutex
	ages   []float64 // seconds
	gaps   []float64 // seconds between the look that found it and the one before
	unseen int
	reason error // why the last of them was not seen
}

// newFreshness watches spans, by id and by search, logs and metrics.
func (l *lab) newFreshness(ctx context.Context) *freshness {
	spans := func(query string) string {
		return "from the end of the trace's last span until " + query + fmt.Sprintf(" gave all %d", verify.LoginSpans)
	}
	signals := append(l.spansByID(),
		// Each trace that Tempo cuts waits for the searches of its head block.
		&signal{name: result.SpansBySearch, store: l.jaeger.Name(), every: time.Second, rest: 200 * time.Millisecond, age: l.ageInJaegerSearch,
			how: spans("a search by service, operation and the time of the login")},
		&signal{name: result.SpansBySearch, store: l.tempo.Name(), every: time.Second, rest: 200 * time.Millisecond, age: l.ageInTempoSearch,
			how: spans("a TraceQL search for the trace id")},
		&signal{name: result.LogLine, store: l.loki.Name(), every: 400 * time.Millisecond, rest: 25 * time.Millisecond, age: l.ageInLoki,
			how: "from the time of login-api's line until a query for its trace id gave it"},
		&signal{name: result.Metric, store: l.prometheus.Name(), every: time.Second, rest: 50 * time.Millisecond, age: l.ageInPrometheus,
			how: "from a login's answer until login_attempts_total had a point that was taken after it; services export every 5 s (OTEL_METRIC_EXPORT_INTERVAL), and half of that is the mean wait"},
	)
	return watch(ctx, signals)
}

// newSpanFreshness watches spans by id only.
func (l *lab) newSpanFreshness(ctx context.Context) *freshness { return watch(ctx, l.spansByID()) }

func watch(ctx context.Context, signals []*signal) *freshness {
	for _, s := range signals {
		s.turn = make(chan struct{}, 1)
	}
	return &freshness{ctx: ctx, signals: signals}
}

// observe is to be given every answer of the load, one at a time. It does not wait.
func (f *freshness) observe(answer load.Answer) {
	if !answer.OK() {
		return
	}
	now := time.Now()
	for _, s := range f.signals {
		if now.Sub(s.taken) >= s.every {
			s.taken = now
			f.waiting.Go(func() { s.follow(f.ctx, answer) })
		}
	}
}

// wait returns when every login that is watched has shown or is given up.
func (f *freshness) wait() []result.Freshness {
	f.waiting.Wait()
	var found []result.Freshness
	for _, s := range f.signals {
		found = append(found, s.result())
	}
	return found
}

// follow looks until the login shows.
func (s *signal) follow(ctx context.Context, answer load.Answer) {
	reason := errNotYet
	for before := time.Now(); time.Since(answeredAt(answer)) < freshnessTimeout; {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		looked := time.Now()
		age, err := s.age(ctx, answer)
		if err == nil {
			s.add(age, looked.Sub(before))
		} else {
			pause(ctx, s.rest)
		}
		<-s.turn
		if err == nil || ctx.Err() != nil {
			return
		}
		before, reason = looked, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unseen++
	s.reason = reason
	s.ages = append(s.ages, freshnessTimeout.Seconds())
}

func (s *signal) add(age, gap time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ages = append(s.ages, age.Seconds())
	s.gaps = append(s.gaps, gap.Seconds())
}

func (s *signal) result() result.Freshness {
	s.mu.Lock()
	defer s.mu.Unlock()
	how := fmt.Sprintf("%s; looked for every %.0f ms (p95), by which a figure may be too high", s.how, 1000*distribution(s.gaps).P95)
	if s.unseen > 0 {
		how += fmt.Sprintf("; %d not seen in %s count as that, the last because: %v", s.unseen, freshnessTimeout, s.reason)
	}
	return result.Freshness{Signal: s.name, Store: s.store, Distribution: distribution(s.ages), How: how}
}

func (l *lab) spansByID() []*signal {
	var signals []*signal
	for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
		signals = append(signals, &signal{
			name: result.SpansByID, store: store.Name(), every: 400 * time.Millisecond, rest: 25 * time.Millisecond,
			how: fmt.Sprintf("from the end of the trace's last span until the trace, by its id, had all %d", verify.LoginSpans),
			age: func(ctx context.Context, answer load.Answer) (time.Duration, error) {
				return ageByID(ctx, store, answer.TraceID)
			},
		})
	}
	return signals
}

var errNotYet = errors.New("it does not show yet")

func ageByID(ctx context.Context, store backend.TraceStore, id string) (time.Duration, error) {
	trace, err := store.Trace(ctx, id)
	seen := time.Now()
	switch {
	case err != nil:
		return 0, err
	case trace.SpanCount() < verify.LoginSpans:
		return 0, errNotYet
	}
	return seen.Sub(lastEnd(trace)), nil
}

// lastEnd is when the last span ended.
func lastEnd(trace backend.Trace) time.Time {
	var last time.Time
	for _, span := range trace.Spans {
		if span.End.After(last) {
			last = span.End
		}
	}
	return last
}

// ageInJaegerSearch asks as narrowly as the time of the login allows: a search
// for one trace, where there is no attribute that a client could know.
func (l *lab) ageInJaegerSearch(ctx context.Context, answer load.Answer) (time.Duration, error) {
	found, err := l.jaeger.Search(ctx, backend.TraceQuery{
		Service: "login-api", Operation: "POST /v1/login",
		Window: backend.Window{Start: answer.Timestamp, End: answeredAt(answer).Add(time.Millisecond)},
		Limit:  100,
	})
	if err != nil {
		return 0, err
	}
	seen := time.Now()
	for _, trace := range found {
		if trace.ID == answer.TraceID && trace.Spans >= verify.LoginSpans {
			return sinceLastEnd(ctx, l.jaeger, answer.TraceID, seen)
		}
	}
	return 0, errNotYet
}

func (l *lab) ageInTempoSearch(ctx context.Context, answer load.Answer) (time.Duration, error) {
	spans, err := l.tempo.CountSpans(ctx, answer.TraceID, around(answer), verify.LoginSpans)
	if err != nil {
		return 0, err
	}
	seen := time.Now()
	if spans < verify.LoginSpans {
		return 0, errNotYet
	}
	return sinceLastEnd(ctx, l.tempo, answer.TraceID, seen)
}

// sinceLastEnd reads the trace once more, for a search does not tell its end.
func sinceLastEnd(ctx context.Context, store backend.TraceStore, id string, seen time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, freshnessTimeout)
	defer cancel()
	trace, err := backend.WaitForSpans(ctx, store, id, verify.LoginSpans)
	return seen.Sub(lastEnd(trace)), err
}

func (l *lab) ageInLoki(ctx context.Context, answer load.Answer) (time.Duration, error) {
	lines, err := l.loki.Lines(ctx, fmt.Sprintf(`{service_name="login-api"} | trace_id=%q`, answer.TraceID), around(answer), 1)
	if err != nil {
		return 0, err
	}
	if len(lines) == 0 {
		return 0, errNotYet
	}
	return time.Since(lines[0].Time), nil
}

// ageInPrometheus relies on what a point is: the sum of all that was counted
// until it was taken. Every login raises the counter before it is answered.
func (l *lab) ageInPrometheus(ctx context.Context, answer load.Answer) (time.Duration, error) {
	points, err := l.prometheus.Query(ctx, `max(timestamp(login_attempts_total{result="success"}))`, time.Now())
	if err != nil {
		return 0, err
	}
	raised := answeredAt(answer)
	if len(points) == 0 || time.UnixMilli(int64(points[0].Points[0].Value*1000)).Before(raised) {
		return 0, errNotYet
	}
	return time.Since(raised), nil
}

func answeredAt(answer load.Answer) time.Time { return answer.Timestamp.Add(answer.Latency) }

// around is a window that what a login leaves behind lies in.
func around(answer load.Answer) backend.Window {
	return backend.Window{Start: answer.Timestamp.Add(-time.Second), End: time.Now().Add(time.Minute)}
}
