package traced

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-queue/rabbitmq"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/queue"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
)

const urlVariable = "TEST_RABBITMQ_URL" // the AMQP address of a broker to try things on

var (
	propagator = propagation.TraceContext{}
	spans      = tracetest.NewSpanRecorder()
	tracer     trace.Tracer
)

func TestMain(m *testing.M) {
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	otel.SetTextMapPropagator(propagator)
	tracer = otel.Tracer("test")
	os.Exit(m.Run())
}

// received is what a handler got: its context tells the trace that it was called in.
type received struct {
	ctx     context.Context
	message string
}

// theirs is a handler of go-queue, which finds a trace only in the body.
type theirs chan received

func (h theirs) Consume(message string) error {
	payload, carrier := otelamqp.UnwrapBody([]byte(message))
	ctx := otel.GetTextMapPropagator().Extract(context.Background(), carrier)
	h <- received{ctx, string(payload)}
	return nil
}

// ours is a handler of this package.
type ours chan received

func (h ours) Consume(ctx context.Context, message string) error {
	payload, _ := otelamqp.UnwrapBody([]byte(message))
	h <- received{ctx, string(payload)}
	if string(payload) == "bad" {
		return errors.New("a bad message")
	}
	return nil
}

// Each sender with each listener.
func TestTraceFromSenderToHandler(t *testing.T) {
	conf := broker(t)
	theirSender := rabbitmq.MustNewSender(rabbitmq.RabbitSenderConf{RabbitConf: conf, ContentType: "text/plain"})
	plain := func(_ context.Context, queue, message string) error {
		return theirSender.Send("", queue, []byte(message))
	}
	envelope := func(ctx context.Context, queue, message string) error {
		body, err := otelamqp.WrapBody(ctx, otel.GetTextMapPropagator(), []byte(message))
		return errors.Join(err, theirSender.Send("", queue, body))
	}
	sender, err := NewSender(rabbitmq.RabbitSenderConf{RabbitConf: conf, ContentType: "text/plain"})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sender.Close()) })
	traced := func(ctx context.Context, queue, message string) error {
		return sender.Send(ctx, "", queue, []byte(message))
	}

	theirListener := func(conf rabbitmq.RabbitListenerConf, got chan received) queue.MessageQueue {
		return rabbitmq.MustNewListener(conf, theirs(got))
	}
	listener := func(conf rabbitmq.RabbitListenerConf, got chan received) queue.MessageQueue {
		l, err := NewListener(conf, ours(got), otelamqp.WithBodyEnvelope())
		require.NoError(t, err)
		return l
	}
	for name, c := range map[string]struct {
		send   func(ctx context.Context, queue, message string) error
		listen func(rabbitmq.RabbitListenerConf, chan received) queue.MessageQueue
		made   []string // spans, beside the one that sends
		joined bool     // the handler is in the trace
	}{
		"go-queue to go-queue":               {plain, theirListener, nil, false},
		"go-queue with envelope to go-queue": {envelope, theirListener, nil, true},
		"go-queue to traced":                 {plain, listener, []string{"process"}, false},
		"go-queue with envelope to traced":   {envelope, listener, []string{"process"}, true},
		"traced to go-queue":                 {traced, theirListener, []string{"send"}, false},
		"this to traced":                     {traced, listener, []string{"send", "process"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			queue, got := declare(t), make(chan received, 1)
			spans.Reset()
			start(t, c.listen(rabbitmq.RabbitListenerConf{RabbitConf: conf, ListenerQueues: []rabbitmq.ConsumerConf{{Name: queue, AutoAck: true}}}, got))
			ctx, span := tracer.Start(t.Context(), "order")
			require.NoError(t, c.send(ctx, queue, `{"item":"book"}`))
			span.End()

			r := <-got
			assert.JSONEq(t, `{"item":"book"}`, r.message)
			in := trace.SpanContextFromContext(r.ctx)
			assert.Equal(t, c.joined, in.TraceID() == span.SpanContext().TraceID(), "in one trace")
			require.Eventually(t, func() bool { return len(spans.Ended()) == len(c.made)+1 }, 10*time.Second, time.Millisecond, "spans: %v", c.made)
			byName := map[string]sdktrace.ReadOnlySpan{}
			for _, s := range spans.Ended() {
				byName[s.Name()] = s
			}
			parent := span.SpanContext()
			for _, operation := range c.made {
				s := byName[operation+" "+queue]
				require.NotNil(t, s, "%s among %v", operation, byName)
				if operation == "send" || c.joined {
					assert.Equal(t, parent.SpanID(), s.Parent().SpanID(), operation)
				} else {
					assert.False(t, s.Parent().IsValid(), operation)
				}
				parent = s.SpanContext()
			}
		})
	}
}

// A message is acknowledged once it is handled, or else dead-lettered.
func TestSettlesWithoutAutoAck(t *testing.T) {
	conf, queue, got := broker(t), declare(t), make(chan received, 1)
	l, err := NewListener(rabbitmq.RabbitListenerConf{RabbitConf: conf, ListenerQueues: []rabbitmq.ConsumerConf{{Name: queue}}}, ours(got))
	require.NoError(t, err)
	stop := start(t, l)
	sender, err := NewSender(rabbitmq.RabbitSenderConf{RabbitConf: conf})
	require.NoError(t, err)
	defer sender.Close()
	for _, message := range []string{"good", "bad"} {
		require.NoError(t, sender.Send(t.Context(), "", queue, []byte(message)))
		assert.Equal(t, message, (<-got).message)
	}
	stop() // what is not settled is ready in the queue again
	var dead amqp.Delivery
	require.Eventually(t, func() (ok bool) {
		dead, ok, err = channel(t).Get(queue+".dead", true)
		require.NoError(t, err)
		return ok
	}, 10*time.Second, 10*time.Millisecond, "the bad one is dead-lettered")
	assert.Equal(t, "bad", string(dead.Body))
	assert.Zero(t, messages(t, queue))
}

// go-queue's listener acknowledges nothing itself.
func TestGoQueueNeverAcknowledges(t *testing.T) {
	conf, queue, got := broker(t), declare(t), make(chan received, 1)
	stop := start(t, rabbitmq.MustNewListener(rabbitmq.RabbitListenerConf{RabbitConf: conf, ListenerQueues: []rabbitmq.ConsumerConf{{Name: queue}}}, theirs(got)))
	require.NoError(t, channel(t).PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte("handled")}))
	assert.Equal(t, "handled", (<-got).message)
	stop()
	require.Eventually(t, func() bool { return messages(t, queue) == 1 }, 10*time.Second, 10*time.Millisecond, "it is there again")
}

// fails is a handler of go-queue that handles nothing.
type fails chan received

func (h fails) Consume(message string) error {
	h <- received{nil, message}
	return errors.New("a bad message")
}

// lines are what has been logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// What is logged of a message that fails.
func TestFailedMessageIsLogged(t *testing.T) {
	conf, got := broker(t), make(chan received, 1)
	theirListener := func(conf rabbitmq.RabbitListenerConf) (queue.MessageQueue, error) {
		return rabbitmq.MustNewListener(conf, fails(got)), nil
	}
	listener := func(conf rabbitmq.RabbitListenerConf) (queue.MessageQueue, error) {
		return NewListener(conf, ours(got))
	}
	for name, c := range map[string]struct {
		listen func(rabbitmq.RabbitListenerConf) (queue.MessageQueue, error)
		body   bool
		trace  bool
	}{
		"go-queue": {theirListener, true, false},
		"traced":   {listener, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			queue := declare(t)
			l, err := c.listen(rabbitmq.RabbitListenerConf{RabbitConf: conf, ListenerQueues: []rabbitmq.ConsumerConf{{Name: queue, AutoAck: true}}})
			require.NoError(t, err)
			logged := &lines{}
			before := logx.Reset()
			logx.SetWriter(logx.NewWriter(logged))
			t.Cleanup(func() { logx.SetWriter(before) })
			spans.Reset()
			stop := start(t, l)
			require.NoError(t, channel(t).PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte("bad")}))
			<-got
			require.Eventually(t, func() bool { return strings.Contains(logged.String(), "a bad message") }, 10*time.Second, time.Millisecond)
			stop()
			assert.Equal(t, c.body, strings.Contains(logged.String(), "bad, error"), logged.String())
			var trace string
			for _, span := range spans.Ended() {
				trace = span.SpanContext().TraceID().String()
			}
			assert.Equal(t, c.trace, trace != "" && strings.Contains(logged.String(), trace), logged.String())
		})
	}
}

// A listener that lost its connection ends the program: whoever runs it starts it again.
func TestLostConnectionEndsTheProgram(t *testing.T) {
	conf := broker(t)
	const queueVariable = "TEST_QUEUE"
	if queue := os.Getenv(queueVariable); queue != "" { // the program
		got := make(chan received, 1)
		l, err := NewListener(rabbitmq.RabbitListenerConf{RabbitConf: conf, ListenerQueues: []rabbitmq.ConsumerConf{{Name: queue, AutoAck: true}}}, ours(got))
		require.NoError(t, err)
		go func() {
			<-got
			_ = l.(*listener).conn.Close()
		}()
		l.Start()
		return
	}
	queue := declare(t)
	require.NoError(t, channel(t).PublishWithContext(t.Context(), "", queue, false, false, amqp.Publishing{Body: []byte("last")}))
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), queueVariable+"="+queue)
	output, err := program.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "queue "+queue+" is no longer consumed")
}

func TestAddressIsTold(t *testing.T) {
	_, err := NewSender(rabbitmq.RabbitSenderConf{RabbitConf: rabbitmq.RabbitConf{Host: "127.0.0.1", Port: 1, Username: "u", Password: "secret/:@"}})
	require.ErrorContains(t, err, "traced: connect to 127.0.0.1:1: ")
	assert.NotContains(t, err.Error(), "secret")
}

func broker(t *testing.T) rabbitmq.RabbitConf {
	t.Helper()
	url := os.Getenv(urlVariable)
	if url == "" {
		t.Skip(urlVariable + " is not set")
	}
	uri, err := amqp.ParseURI(url)
	require.NoError(t, err)
	conf := rabbitmq.RabbitConf{Username: uri.Username, Password: uri.Password, Host: uri.Host, Port: uri.Port}
	if uri.Vhost != "/" { // go-queue puts it into the address as it is
		conf.VHost = uri.Vhost
	}
	return conf
}

func channel(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(os.Getenv(urlVariable))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// declare makes a queue and another for its dead letters.
func declare(t *testing.T) (name string) {
	t.Helper()
	ch, name := channel(t), "go-queue."+rand.Text()
	for queue, args := range map[string]amqp.Table{
		name:           {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + ".dead"},
		name + ".dead": nil,
	} {
		_, err := ch.QueueDeclare(queue, false, false, false, false, args)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := ch.QueueDelete(queue, false, false, false)
			assert.NoError(t, err)
		})
	}
	return name
}

func messages(t *testing.T, queue string) int {
	t.Helper()
	state, err := channel(t).QueueDeclarePassive(queue, false, false, false, false, nil)
	require.NoError(t, err)
	return state.Messages
}

// start runs a listener; stop returns when it has.
func start(t *testing.T, l queue.MessageQueue) (stop func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Start()
	}()
	stop = sync.OnceFunc(func() {
		l.Stop()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}
