// Package interop proves on a real broker that traces pass between otelamqp and
// other people's code: Node's amqplib under @opentelemetry/instrumentation-amqplib.
//
// The two share the context, not the names: the Node side still emits those from
// before version 1.17 of the conventions (messaging.destination, "{queue} process").
package interop

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/internal/npm"
	"throughline/internal/stack"
	"throughline/otelamqp"
	"throughline/rabbitmq/rabbitmqtest"
)

const tracestate = "vendor=interop"

var (
	//go:embed peer.cjs
	peer string

	packages   string // where they are installed
	broker     rabbitmqtest.Broker
	propagator propagation.TraceContext
)

func install() (string, error) {
	s, err := stack.New("", os.Getenv)
	if err != nil {
		return "", err
	}
	return npm.Install(context.Background(), s.BuildDir(), ".", "interop")
}

func TestMain(m *testing.M) {
	var err error
	if packages, err = install(); err != nil {
		fmt.Fprintln(os.Stderr, "the Node side of the test:", err)
		os.Exit(1)
	}
	os.Exit(broker.Run(m))
}

// span is what the peer prints of a finished span.
type span struct {
	Kind, TraceID, SpanID, ParentSpanID, TraceState string
}

// node lets the peer take part in the trace of upstream and returns its spans.
func node(t *testing.T, upstream trace.SpanContext, args ...string) (spans []span) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "node", append([]string{"-"}, args...)...)
	command.Dir = packages // a script from stdin requires from here
	command.Stdin = strings.NewReader(peer)
	environment := propagation.MapCarrier{"AMQP_URL": broker.URL()}
	propagator.Inject(trace.ContextWithSpanContext(ctx, upstream), environment)
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	require.NoError(t, command.Run(), "%s\n%s", command, &stderr)
	for lines := json.NewDecoder(&stdout); lines.More(); {
		var s span
		require.NoError(t, lines.Decode(&s))
		spans = append(spans, s)
	}
	return spans
}

// upstream is a span of a third service that had the message published.
func upstream(t *testing.T, flags trace.TraceFlags) trace.SpanContext {
	t.Helper()
	state, err := trace.ParseTraceState(tracestate)
	require.NoError(t, err)
	config := trace.SpanContextConfig{TraceFlags: flags, TraceState: state, Remote: true}
	_, _ = rand.Read(config.TraceID[:])
	_, _ = rand.Read(config.SpanID[:])
	return trace.NewSpanContext(config)
}

// traced opens a traced channel with a queue that other connections may use.
func traced(t *testing.T) (ch *otelamqp.Channel, queue string, recorder *tracetest.SpanRecorder) {
	t.Helper()
	conn, err := amqp.Dial(broker.URL())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	raw, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, raw.Confirm(false))
	_, err = raw.QueueDeclare(t.Name(), false, false, false, false, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := raw.QueueDelete(t.Name(), false, false, false)
		assert.NoError(t, err)
	})
	recorder = tracetest.NewSpanRecorder()
	return otelamqp.NewChannel(raw,
		otelamqp.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))),
		otelamqp.WithPropagator(propagator)), t.Name(), recorder
}

func publish(t *testing.T, upstream trace.SpanContext, ch *otelamqp.Channel, queue string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(trace.ContextWithSpanContext(t.Context(), upstream), time.Minute)
	defer cancel()
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{Body: []byte("hello")})
	require.NoError(t, err)
	acked, err := confirm.WaitContext(ctx)
	require.NoError(t, err)
	require.True(t, acked)
}

// process handles one message and returns the context that its handler saw.
func process(t *testing.T, ch *otelamqp.Channel, queue string) (seen trace.SpanContext) {
	t.Helper()
	// ConsumeWithContext would cancel the consumer behind the deletion of the queue:
	// two calls at once, and amqp091 may give each the reply of the other.
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case d := <-deliveries:
		require.NoError(t, ch.Process(ctx, &d, func(ctx context.Context) error {
			seen = trace.SpanContextFromContext(ctx)
			return nil
		}))
	case <-ctx.Done():
		t.Fatal("Node's message did not arrive")
	}
	return seen
}

func TestGoJoinsTheTraceOfNode(t *testing.T) {
	for _, createChannel := range []string{"createChannel", "createConfirmChannel"} {
		t.Run(createChannel, func(t *testing.T) {
			ch, queue, recorder := traced(t)
			upstream := upstream(t, trace.FlagsSampled)
			published := node(t, upstream, "publish", queue, createChannel)
			process(t, ch, queue)

			require.Len(t, published, 1)
			producer := published[0]
			assert.Equal(t, "PRODUCER", producer.Kind)
			assert.Equal(t, upstream.TraceID().String(), producer.TraceID)
			assert.Equal(t, upstream.SpanID().String(), producer.ParentSpanID)
			processed := recorder.Ended()
			require.Len(t, processed, 1)
			assert.Equal(t, producer.TraceID, processed[0].SpanContext().TraceID().String())
			assert.Equal(t, producer.SpanID, processed[0].Parent().SpanID().String())
			assert.Equal(t, tracestate, processed[0].SpanContext().TraceState().String())
		})
	}
}

func TestNodeJoinsTheTraceOfGo(t *testing.T) {
	ch, queue, recorder := traced(t)
	upstream := upstream(t, trace.FlagsSampled)
	publish(t, upstream, ch, queue)
	consumed := node(t, trace.SpanContext{}, "consume", queue)

	published := recorder.Ended()
	require.Len(t, published, 1)
	require.Len(t, consumed, 1)
	send := published[0].SpanContext()
	assert.Equal(t, upstream.TraceID(), send.TraceID())
	assert.Equal(t, []span{{
		Kind:         "CONSUMER",
		TraceID:      send.TraceID().String(),
		SpanID:       consumed[0].SpanID,
		ParentSpanID: send.SpanID().String(),
		TraceState:   tracestate,
	}}, consumed)
}

// A side that lost the context would begin a trace of its own and sample it.
func TestTraceThatIsNotSampledStaysSo(t *testing.T) {
	t.Run("from Node", func(t *testing.T) {
		ch, queue, recorder := traced(t)
		upstream := upstream(t, 0)
		assert.Empty(t, node(t, upstream, "publish", queue, "createChannel"))
		seen := process(t, ch, queue)
		assert.Equal(t, upstream.TraceID(), seen.TraceID())
		assert.Empty(t, recorder.Ended())
	})
	t.Run("from Go", func(t *testing.T) {
		ch, queue, recorder := traced(t)
		publish(t, upstream(t, 0), ch, queue)
		assert.Empty(t, node(t, trace.SpanContext{}, "consume", queue))
		assert.Empty(t, recorder.Ended())
	})
}
