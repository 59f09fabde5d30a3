package evaluate

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"throughline/internal/backend"
	"throughline/internal/otlpload"
)

const (
	fillRequest = 100
	// oneSlowIn so many traces is found by its duration.
	oneSlowIn = 100
	// fillTimeout bounds the writing, and the waiting for both stores.
	fillTimeout = 5 * time.Minute
	// requestsAwaited of all that were sent: to look up a trace of each takes long.
	requestsAwaited = 20
)

// written is what the stores were filled with.
type written struct {
	began      time.Time
	ids        []string
	messageIDs []string // of the same traces
	spans      int64
}

// fill sends so many traces of logins through the collector and waits until both
// stores hold what was sent last, and what was sent now and then before it.
func (l *lab) fill(ctx context.Context, traces int) (written, error) {
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	client, err := otlpload.Dial(l.target.OTLPGRPC)
	if err != nil {
		return written{}, err
	}
	defer func() { _ = client.Close() }()

	stored := written{began: time.Now()}
	type sent struct {
		id    string
		spans int
	}
	var requests []sent // the last trace of each
	for len(stored.ids) < traces {
		var request []ptrace.Traces
		var id string
		for range min(fillRequest, traces-len(stored.ids)) {
			kind := otlpload.OK
			if len(stored.ids)%oneSlowIn == 0 {
				kind = otlpload.Slow
			}
			var trace ptrace.Traces
			id, trace = otlpload.Trace(kind)
			stored.ids = append(stored.ids, id)
			stored.messageIDs = append(stored.messageIDs, messageID(trace))
			request = append(request, trace)
		}
		requests = append(requests, sent{id, request[len(request)-1].SpanCount()})
		if err := client.Send(ctx, otlpload.Batch(request...)); err != nil {
			return written{}, err
		}
	}
	stored.spans = client.Acknowledged()
	for i := len(requests) - 1; i >= 0; i -= 1 + len(requests)/requestsAwaited {
		for _, store := range []backend.TraceStore{l.jaeger, l.tempo} {
			if _, err := backend.WaitForSpans(ctx, store, requests[i].id, requests[i].spans); err != nil {
				return written{}, err
			}
		}
	}
	return stored, nil
}

// messageID is that of the message that the login has sent.
func messageID(trace ptrace.Traces) string {
	for _, resource := range trace.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if id, ok := span.Attributes().Get("messaging.message.id"); ok {
					return id.Str()
				}
			}
		}
	}
	return ""
}
