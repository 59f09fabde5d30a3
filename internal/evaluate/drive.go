package evaluate

import (
	"context"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"throughline/internal/evaluate/result"
	"throughline/internal/load"
)

// drive sends logins at the rate until the duration is over or ctx ends.
func (l *lab) drive(ctx context.Context, rate int, duration time.Duration, each func(load.Answer)) {
	load.Drive(ctx, load.Logins(l.target.LoginURL), vegeta.Rate{Freq: rate, Per: time.Second}, duration, each)
}

// login is an acknowledged login.
type login struct {
	traceID  string
	answered time.Time
}

// traffic is what came of a load so far.
type traffic struct {
	began time.Time

	mu         sync.Mutex
	answers    []answer
	logins     []login
	lastFailed time.Time
}

type answer struct {
	at time.Time
	ok bool
}

func newTraffic() *traffic { return &traffic{began: time.Now()} }

func (t *traffic) add(a load.Answer) {
	at := a.Timestamp.Add(a.Latency)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers = append(t.answers, answer{at, a.OK()})
	switch {
	case a.OK():
		t.logins = append(t.logins, login{a.TraceID, at})
	case at.After(t.lastFailed):
		t.lastFailed = at
	}
}

func (t *traffic) lastFailure() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastFailed
}

// sampleAfter returns the first login that was acknowledged after the moment, and from
// then on one for each interval.
func (t *traffic) sampleAfter(moment time.Time, interval time.Duration) (sample []login) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.logins {
		if l.answered.After(moment) {
			sample = append(sample, l)
			moment = l.answered.Add(interval)
		}
	}
	return sample
}

// timeline sums the answers up by the second. The caller has ended the load.
func (t *traffic) timeline(queued *gauge, begun, ended time.Time) []result.Moment {
	var moments []result.Moment
	at := func(moment time.Time) *result.Moment {
		second := int(moment.Sub(t.began).Seconds())
		for len(moments) <= second {
			moments = append(moments, result.Moment{Second: len(moments)})
		}
		return &moments[second]
	}
	for _, a := range t.answers {
		if a.ok {
			at(a.at).OK++
		} else {
			at(a.at).Failed++
		}
	}
	for i := range moments {
		start := t.began.Add(time.Duration(i) * time.Second)
		moments[i].Faulty = start.Add(time.Second).After(begun) && start.Before(ended)
		if bytes, ok := queued.values[start.Unix()]; ok {
			moments[i].QueuedBytes = &bytes
		}
	}
	return moments
}
