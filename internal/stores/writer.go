package stores

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"throughline/internal/otlpload"
)

// A collector with the default batches sends like this.
const (
	tick        = 200 * time.Millisecond
	requestSize = 8192 // spans at most
	// senders have a request under way at the same time, when a store is filled as
	// fast as it takes it.
	senders = 4
	// ticksAhead is how far ahead spans wait for their end; later ones are sent then.
	ticksAhead = 50
)

// writer sends the traces of a source to one store, each span in the request of
// the tick in which it ends, so that a trace arrives in pieces.
type writer struct {
	source source
	client *otlpload.Client
	ledger *ledger

	next    uint32 // number of the next trace
	waiting [ticksAhead + 1][]piece
	pending int // spans in waiting
}

// piece is a span that waits for its end.
type piece struct {
	trace *trace
	index int
	began time.Time
}

func newWriter(s source, endpoint string, l *ledger) (*writer, error) {
	client, err := otlpload.Dial(endpoint)
	if err != nil {
		return nil, err
	}
	return &writer{source: s, client: client, ledger: l}, nil
}

func (w *writer) close() { _ = w.client.Close() }

// add makes traces until there are so many spans more, or somewhat above, and
// returns how many.
func (w *writer) add(spans int, now time.Time) (made int) {
	for made < spans {
		t := w.source.trace(w.next)
		w.next++
		for i, f := range t.facts {
			at := min(ticksAhead, max(0, int(f.end/tick)))
			w.waiting[at] = append(w.waiting[at], piece{&t, i, now})
		}
		w.ledger.wrote(w.source, &t, now)
		made += len(t.facts)
		w.pending += len(t.facts)
	}
	return made
}

// due takes the pieces of the tick that ends now.
func (w *writer) due() []piece {
	pieces := w.waiting[0]
	copy(w.waiting[:], w.waiting[1:])
	w.waiting[ticksAhead] = nil
	w.pending -= len(pieces)
	return pieces
}

// pace writes at a rate, in spans per second, until it is enough, and then what
// waits. It returns how many spans the store has acknowledged. A store that is too
// slow is given less than the rate.
func (w *writer) pace(ctx context.Context, rate int, enough <-chan time.Time) (int64, error) {
	before := w.client.Acknowledged()
	clock := time.NewTicker(tick)
	defer clock.Stop()
	group, sending := w.sending(ctx)
	began, made := time.Now(), 0
	for going := true; going; {
		select {
		case <-enough:
			going = false
		case <-sending.Done():
			going = false
		case <-clock.C:
			owed := int(float64(rate)*time.Since(began).Seconds()) - made
			made += w.add(owed, time.Now())
			pieces := w.due()
			group.Go(func() error { return w.send(sending, pieces) })
		}
	}
	err := group.Wait()
	if err == nil {
		err = w.flush(ctx)
	}
	return w.client.Acknowledged() - before, err
}

// fill writes so many spans as fast as the store takes them.
func (w *writer) fill(ctx context.Context, spans int) error {
	group, sending := w.sending(ctx)
	for left := spans; left > 0 && sending.Err() == nil; {
		left -= w.add(min(left, requestSize/4), time.Now())
		pieces := w.due()
		group.Go(func() error { return w.send(sending, pieces) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return w.flush(ctx)
}

func (w *writer) sending(ctx context.Context) (*errgroup.Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	return group, ctx
}

// flush writes what still waits for its end.
func (w *writer) flush(ctx context.Context) error {
	for w.pending > 0 {
		if err := w.send(ctx, w.due()); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) send(ctx context.Context, pieces []piece) error {
	for len(pieces) > 0 {
		n, sent := min(requestSize, len(pieces)), time.Now()
		if err := w.client.Send(ctx, w.encode(pieces[:n])); err != nil {
			return err
		}
		w.ledger.acknowledged(w.source, pieces[:n], sent)
		pieces = pieces[n:]
	}
	return nil
}

// encode groups the spans by the process that they come from.
func (w *writer) encode(pieces []piece) ptrace.Traces {
	traces := ptrace.NewTraces()
	byResource := map[int]ptrace.SpanSlice{}
	for _, p := range pieces {
		key := p.trace.facts[p.index].resource
		spans, ok := byResource[key]
		if !ok {
			group := traces.ResourceSpans().AppendEmpty()
			w.source.fillResource(p.trace, group.Resource(), key)
			scope := group.ScopeSpans().AppendEmpty()
			scope.Scope().SetName("throughline/internal/stores")
			spans = scope.Spans()
			byResource[key] = spans
		}
		w.source.fillSpan(p.trace, spans.AppendEmpty(), p.index, p.began)
	}
	return traces
}
