package otelamqp_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"throughline/otelamqp"
)

// rule is what the conventions say of one attribute of one signal.
type rule struct {
	signal, attribute, level, condition, valueType string
	values                                         []string // allowed; all if none
	atCreation                                     bool     // a sampler must be given it
	wanted                                         bool     // by some situation
}

// signal is a span or a metric of the conventions.
type signal struct {
	is      string // span kind or instrument
	unit    string
	buckets []float64
	rules   []*rule
}

// readConventions reads both tables. The signals of a span are keyed by the type
// of its operation, those of a metric by its name.
func readConventions(t *testing.T) map[string]*signal {
	signals := map[string]*signal{}
	id := func(name string) string {
		if metric, found := strings.CutPrefix(name, "metric."); found {
			return metric
		}
		return strings.Split(name, ".")[3] // span.messaging.rabbitmq.{type}.{kind}
	}
	for _, line := range readTable(t, "testdata/signals.csv") {
		s := &signal{is: line["is"], unit: line["unit"]}
		for _, bound := range strings.Fields(line["buckets"]) {
			seconds, err := strconv.ParseFloat(bound, 64)
			require.NoError(t, err)
			s.buckets = append(s.buckets, seconds)
		}
		signals[id(line["signal"])] = s
	}
	for _, line := range readTable(t, "testdata/conventions.csv") {
		name := id(line["signal"])
		signals[name].rules = append(signals[name].rules, &rule{
			signal: name, attribute: line["attribute"], level: line["level"], condition: line["condition"], valueType: line["type"],
			values:     strings.FieldsFunc(line["values"], func(r rune) bool { return r == '|' }),
			atCreation: line["at creation"] == "yes",
		})
	}
	require.Len(t, signals, 8)
	return signals
}

// readTable reads a file whose first line names the columns.
func readTable(t *testing.T, path string) []map[string]string {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comment = '#'
	lines, err := reader.ReadAll()
	require.NoError(t, err)
	table := make([]map[string]string, len(lines)-1)
	for i, line := range lines[1:] {
		table[i] = map[string]string{}
		for column, name := range lines[0] {
			table[i][name] = line[column]
		}
	}
	return table
}

// operation is one that a situation has performed: all that is true of it.
type operation struct {
	name                 string
	exchange, key, queue string
	messages             []message
	batch                bool
	tag                  int64 // of the delivery that stands for the operation
	errorType            string
	consumed             int64 // deliveries that are new to the application
}

type message struct {
	id, conversation string
	tag              int64
	size             int
}

func send(exchange, key string, msg amqp.Publishing) operation {
	return operation{name: "send", exchange: exchange, key: key,
		messages: []message{{id: msg.MessageId, conversation: msg.CorrelationId, size: len(msg.Body)}}}
}

// consume is an operation on deliveries of a queue. What is not the same for all
// of them is not true of the operation.
func consume(name, queue string, ds ...amqp.Delivery) operation {
	o := operation{name: name, queue: queue}
	for _, d := range ds {
		o.messages = append(o.messages, message{d.MessageId, d.CorrelationId, int64(d.DeliveryTag), len(d.Body)})
	}
	o.exchange = shared(ds, func(d amqp.Delivery) string { return d.Exchange })
	o.key = shared(ds, func(d amqp.Delivery) string { return d.RoutingKey })
	o.tag = shared(o.messages, func(m message) int64 { return m.tag })
	if name == "receive" || name == "process" {
		o.consumed = int64(len(ds))
	}
	return o
}

func batch(name, queue string, ds ...amqp.Delivery) operation {
	o := consume(name, queue, ds...)
	o.batch = true
	return o
}

// shared is the value that all have, or the zero value.
func shared[E any, V comparable](all []E, value func(E) V) (v V) {
	for i, e := range all {
		if i > 0 && value(e) != value(all[0]) {
			return v
		}
	}
	if len(all) > 0 {
		v = value(all[0])
	}
	return v
}

func (o operation) failed(errorType string) operation {
	o.errorType = errorType
	return o
}

// operationType is also which span the conventions want of it.
func (o operation) operationType() string {
	switch o.name {
	case "send", "receive", "process":
		return o.name
	default:
		return "settle"
	}
}

// destination fills in a form such as {exchange}:{routing key}.
func (o operation) destination(form string) string {
	var parts []string
	for _, placeholder := range strings.Split(form, ":") {
		part := map[string]string{"{exchange}": o.exchange, "{routing key}": o.key, "{queue}": o.queue}[placeholder]
		if placeholder == "{queue}" && part == o.key || part == "" {
			continue
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "amq.default"
	}
	return strings.Join(parts, ":")
}

// facts are the values of the attributes of an operation in its scene, as far as
// they are known.
type facts struct {
	operation
	values map[string]any
}

func (s *scene) facts(o operation, signals map[string]*signal) facts {
	target := o.queue
	if target == "" && o.exchange == "" {
		target = o.key
	}
	var form string
	for _, r := range signals[o.operationType()].rules {
		if r.attribute == "messaging.destination.name" {
			form = r.values[0]
		}
	}
	values := map[string]any{
		"error.type":                                 o.errorType,
		"messaging.system":                           "rabbitmq",
		"messaging.operation.name":                   o.name,
		"messaging.operation.type":                   o.operationType(),
		"messaging.destination.name":                 o.destination(form),
		"messaging.destination.anonymous":            strings.HasPrefix(target, "amq.gen-"),
		"messaging.destination.temporary":            target != "" && target == s.temporary,
		"messaging.rabbitmq.destination.routing_key": o.key,
		"messaging.rabbitmq.message.delivery_tag":    o.tag,
		"messaging.batch.message_count":              int64(len(o.messages)),
		"messaging.message.id":                       shared(o.messages, func(m message) string { return m.id }),
		"messaging.message.conversation_id":          shared(o.messages, func(m message) string { return m.conversation }),
	}
	if s.with.template {
		values["messaging.destination.template"] = template
	}
	if s.with.bodySize {
		values["messaging.message.body.size"] = shared(o.messages, func(m message) int64 { return int64(m.size) })
	}
	if !s.with.bare {
		peer := s.conn.RemoteAddr().(*net.TCPAddr)
		values["messaging.client.id"] = clientID
		values["server.address"], values["server.port"] = serverHost, int64(serverPort)
		values["network.peer.address"], values["network.peer.port"] = peer.IP.String(), int64(peer.Port)
	}
	return facts{o, values}
}

func (f facts) known(attribute string) bool {
	value, found := f.values[attribute]
	return found && !reflect.ValueOf(value).IsZero()
}

// conditions are those of the table.
var conditions = map[string]func(facts) bool{
	"":               func(facts) bool { return true },
	"failed":         func(f facts) bool { return f.errorType != "" },
	"batch":          func(f facts) bool { return f.batch },
	"single message": func(f facts) bool { return len(f.messages) == 1 },
	"routing key":    func(f facts) bool { return f.key != "" },
	"delivery tag":   func(f facts) bool { return f.tag != 0 },
	"anonymous":      func(f facts) bool { return f.known("messaging.destination.anonymous") },
	"temporary":      func(f facts) bool { return f.known("messaging.destination.temporary") },
	"template":       func(f facts) bool { return f.known("messaging.destination.template") },
	"server address": func(f facts) bool { return f.known("server.address") },
	"peer address":   func(f facts) bool { return f.known("network.peer.address") },
	"low cardinality": func(f facts) bool {
		return !f.known("messaging.destination.anonymous") && !f.known("messaging.destination.temporary") && !f.known("messaging.destination.template")
	},
}

// neverWanted are attributes, some of them of one signal only, that no situation
// can call for.
var neverWanted = map[string]string{
	"messaging.destination.partition.id":            "RabbitMQ has no partitions",
	"messaging.consumer.group.name":                 "nor consumer groups",
	"messaging.destination.subscription.name":       "nor subscriptions with a name",
	"messaging.message.envelope.size":               "opt-in, and the client does not tell it",
	"send messaging.batch.message_count":            "the client publishes one message a call",
	"receive messaging.batch.message_count":         "and gets one",
	"messaging.client.consumed.messages error.type": "what becomes of a message does not undo its delivery",
}

func (r *rule) never() bool {
	_, everywhere := neverWanted[r.attribute]
	_, here := neverWanted[r.signal+" "+r.attribute]
	return everywhere || here
}

// wants tells whether an attribute must be there: what is required whenever the
// condition holds, the rest when its value is known as well.
func (r *rule) wants(t *testing.T, f facts) bool {
	if r.never() {
		return false
	}
	holds, interpreted := conditions[r.condition]
	require.True(t, interpreted, "condition %q", r.condition)
	required := r.level == "Required" || r.level == "Conditionally Required"
	wants := holds(f) && (required || f.known(r.attribute))
	r.wanted = r.wanted || wants
	return wants
}

// checkCoverage demands that the situations have called for every attribute.
func checkCoverage(t *testing.T, signals map[string]*signal) {
	for _, s := range signals {
		for _, r := range s.rules {
			assert.NotEqual(t, r.never(), r.wanted, "%s %s: was it wanted?", r.signal, r.attribute)
		}
	}
}

// attributes are those that the rules want, with their values.
func (s *signal) attributes(t *testing.T, f facts) attribute.Set {
	var wanted []attribute.KeyValue
	for _, r := range s.rules {
		if r.wants(t, f) {
			wanted = append(wanted, r.keyValue(t, f))
		}
	}
	return attribute.NewSet(wanted...)
}

func (r *rule) keyValue(t *testing.T, f facts) attribute.KeyValue {
	value, found := f.values[r.attribute]
	require.True(t, found, r.attribute)
	switch r.valueType {
	case "string":
		text := value.(string)
		if len(r.values) > 0 && r.attribute != "messaging.destination.name" {
			assert.Contains(t, r.values, text, r.attribute)
		}
		return attribute.String(r.attribute, text)
	case "int":
		return attribute.Int64(r.attribute, value.(int64))
	default:
		require.Equal(t, "boolean", r.valueType)
		return attribute.Bool(r.attribute, value.(bool))
	}
}

// own are the attributes and metrics of this package.
func own(name attribute.Key) bool {
	return strings.HasPrefix(string(name), "throughline.") || name == "messaging.message.time_in_queue"
}

func ofConventions(attrs []attribute.KeyValue) attribute.Set {
	set, _ := attribute.NewSetWithFiltered(attrs, func(kv attribute.KeyValue) bool { return !own(kv.Key) })
	return set
}

// checkSpans holds the spans, in the order in which they began, against what was
// done, and returns them.
func checkSpans(s *scene, signals map[string]*signal, done []operation) []sdktrace.ReadOnlySpan {
	t := s.t
	require.Eventually(t, func() bool { return len(s.spans.Ended()) >= len(done) }, 10*time.Second, time.Millisecond)
	started := s.spans.Started()
	require.Len(t, started, len(done), "spans")
	sent := map[string]trace.SpanID{} // by message id
	spans := make([]sdktrace.ReadOnlySpan, len(done))
	for i, span := range started {
		o, f := done[i], s.facts(done[i], signals)
		signal := signals[o.operationType()]
		spans[i] = span

		assert.Equal(t, signal.is, strings.ToUpper(span.SpanKind().String()), o.name)
		assert.Equal(t, spanName(f), span.Name())
		assert.Equal(t, otelamqp.ScopeName, span.InstrumentationScope().Name)
		assert.Equal(t, otelamqp.SchemaURL, span.InstrumentationScope().SchemaURL)
		assert.False(t, span.EndTime().IsZero(), "%s has not ended", o.name)
		status := codes.Unset
		if o.errorType != "" {
			status = codes.Error
		}
		assert.Equal(t, status, span.Status().Code, o.name)

		want := signal.attributes(t, f)
		assert.Equal(t, text(want), text(ofConventions(span.Attributes())), span.Name())
		created := s.spans.attributesAtCreation(span)
		for _, r := range signal.rules {
			if value, wanted := want.Value(attribute.Key(r.attribute)); wanted && r.atCreation {
				early, given := created.Value(attribute.Key(r.attribute))
				assert.True(t, given && early == value, "%s: %s was not there at creation", span.Name(), r.attribute)
			}
		}

		if o.name == "send" {
			sent[o.messages[0].id] = span.SpanContext().SpanID()
		}
		if (o.name == "receive" || o.name == "process") && !s.with.bare {
			checkCorrelation(t, o, span, sent)
		}
	}
	return spans
}

// spanName follows the rule "{operation name} {destination}", where what is known
// to vary does not name spans.
func spanName(f facts) string {
	switch {
	case f.known("messaging.destination.template"):
		return f.name + " " + f.values["messaging.destination.template"].(string)
	case f.known("messaging.destination.anonymous") || f.known("messaging.destination.temporary"):
		return f.name
	default:
		return f.name + " " + f.values["messaging.destination.name"].(string)
	}
}

// checkCorrelation demands of each message that the consumer's span is the child
// of its creation context or linked to it. Links of a batch must tell the
// messages apart.
func checkCorrelation(t *testing.T, o operation, span sdktrace.ReadOnlySpan, sent map[string]trace.SpanID) {
	linked := map[trace.SpanID]attribute.Set{}
	for _, link := range span.Links() {
		linked[link.SpanContext.SpanID()] = attribute.NewSet(link.Attributes...)
	}
	for _, m := range o.messages {
		attrs, found := linked[sent[m.id]]
		assert.True(t, found || span.Parent().SpanID() == sent[m.id], "%s knows nothing of %s", span.Name(), m.id)
		if len(o.messages) > 1 {
			want := attribute.NewSet(attribute.String("messaging.message.id", m.id), attribute.Int64("messaging.rabbitmq.message.delivery_tag", m.tag))
			for _, kv := range want.ToSlice() {
				value, _ := attrs.Value(kv.Key)
				assert.Equal(t, kv.Value, value, "%s of the link to %s", kv.Key, m.id)
			}
		}
	}
}

// metricsOf lists the metrics that count or time an operation, and how often.
func metricsOf(o operation) map[string]int64 {
	switch o.operationType() {
	case "process":
		return map[string]int64{"messaging.process.duration": 1, "messaging.client.consumed.messages": o.consumed}
	case "send":
		return map[string]int64{"messaging.client.operation.duration": 1, "messaging.client.sent.messages": int64(len(o.messages))}
	default:
		return map[string]int64{"messaging.client.operation.duration": 1, "messaging.client.consumed.messages": o.consumed}
	}
}

// measured is a data point: of a counter its value, of a histogram its count and sum.
type measured struct {
	times int64
	took  time.Duration
}

// checkMetrics holds the data points against what was done, and durations against
// those of the spans.
func checkMetrics(s *scene, signals map[string]*signal, done []operation, spans []sdktrace.ReadOnlySpan) {
	t := s.t
	want := map[string]map[string]measured{} // by metric and attributes
	for i, o := range done {
		for name, times := range metricsOf(o) {
			if times == 0 {
				continue
			}
			if want[name] == nil {
				want[name] = map[string]measured{}
			}
			attrs := text(signals[name].attributes(t, s.facts(o, signals)))
			point := want[name][attrs]
			point.times += times
			point.took += spans[i].EndTime().Sub(spans[i].StartTime())
			want[name][attrs] = point
		}
	}

	var collected metricdata.ResourceMetrics
	require.NoError(t, s.reader.Collect(t.Context(), &collected))
	for _, scope := range collected.ScopeMetrics {
		assert.Equal(t, otelamqp.SchemaURL, scope.Scope.SchemaURL)
		for _, m := range scope.Metrics {
			if own(attribute.Key(m.Name)) {
				continue
			}
			signal, known := signals[m.Name]
			require.True(t, known, m.Name)
			assert.Equal(t, signal.unit, m.Unit, m.Name)
			for attrs, point := range points(t, signal, m) {
				wanted, found := want[m.Name][attrs]
				delete(want[m.Name], attrs)
				if assert.True(t, found, "%s has a point of %s", m.Name, attrs) {
					assert.Equal(t, wanted.times, point.times, "%s of %s", m.Name, attrs)
				}
				if signal.is == "Histogram" {
					assert.InDelta(t, wanted.took.Seconds(), point.took.Seconds(), (noticeable / 4).Seconds(), "%s of %s", m.Name, attrs)
				}
			}
		}
	}
	for name, missing := range want {
		assert.Empty(t, missing, "%s lacks points", name)
	}
}

func points(t *testing.T, s *signal, m metricdata.Metrics) map[string]measured {
	points := map[string]measured{}
	switch s.is {
	case "Counter":
		sum, is := m.Data.(metricdata.Sum[int64])
		require.True(t, is && sum.IsMonotonic, "%s is %T", m.Name, m.Data)
		for _, p := range sum.DataPoints {
			points[text(p.Attributes)] = measured{times: p.Value}
		}
	case "Histogram":
		histogram, is := m.Data.(metricdata.Histogram[float64])
		require.True(t, is, "%s is %T", m.Name, m.Data)
		for _, p := range histogram.DataPoints {
			assert.Equal(t, s.buckets, p.Bounds, m.Name)
			points[text(p.Attributes)] = measured{times: int64(p.Count), took: time.Duration(p.Sum * float64(time.Second))}
		}
	}
	return points
}

// text lists attributes, one a line, with their types.
func text(set attribute.Set) string {
	var lines strings.Builder
	for _, kv := range set.ToSlice() {
		fmt.Fprintf(&lines, "%s %s %s\n", kv.Key, kv.Value.Type(), kv.Value.String())
	}
	return lines.String()
}

// spanLog also keeps the attributes with which each span was created, which are
// those that its sampler was given.
type spanLog struct {
	*tracetest.SpanRecorder
	mu      sync.Mutex
	created map[trace.SpanID]attribute.Set
}

func newSpanLog() *spanLog {
	return &spanLog{SpanRecorder: tracetest.NewSpanRecorder(), created: map[trace.SpanID]attribute.Set{}}
}

func (l *spanLog) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	l.mu.Lock()
	l.created[span.SpanContext().SpanID()] = attribute.NewSet(span.Attributes()...)
	l.mu.Unlock()
	l.SpanRecorder.OnStart(parent, span)
}

func (l *spanLog) attributesAtCreation(span sdktrace.ReadOnlySpan) attribute.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.created[span.SpanContext().SpanID()]
}
