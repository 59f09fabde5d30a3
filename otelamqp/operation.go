package otelamqp

import (
	"maps"
	"strings"
	"sync"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The names of operations (messaging.operation.name), as an [Operation] has them.
const (
	OperationSend    = "send"
	OperationReceive = "receive"
	OperationProcess = "process"
	OperationAck     = "ack"
	OperationNack    = "nack"
	OperationReject  = "reject"
)

// Operation is what is done to a message, and where. What is not known is empty:
// the queue of a send, the exchange and routing key of a Get that found nothing.
type Operation struct {
	Name       string // OperationSend and so on
	Exchange   string
	RoutingKey string
	Queue      string
}

func (op Operation) kind() trace.SpanKind {
	switch op.Name {
	case OperationSend:
		return trace.SpanKindProducer
	case OperationProcess:
		return trace.SpanKindConsumer
	default:
		return trace.SpanKindClient
	}
}

func (op Operation) operationType() attribute.KeyValue {
	switch op.Name {
	case OperationSend, OperationReceive, OperationProcess:
		return semconv.MessagingOperationTypeKey.String(op.Name)
	default:
		return semconv.MessagingOperationTypeSettle
	}
}

// destination is messaging.destination.name: {exchange}:{routing key}:{queue}
// without what is empty, and with a queue that is named like the routing key (the
// default exchange routes so) only once.
func (op Operation) destination() string {
	key := op.RoutingKey
	if key == op.Queue {
		key = ""
	}
	destination := ""
	for _, part := range []string{op.Exchange, key, op.Queue} {
		if part == "" {
			continue
		}
		if destination != "" {
			destination += ":"
		}
		destination += part
	}
	if destination == "" {
		return "amq.default"
	}
	return valid(destination)
}

// queue is the queue that the operation is about, as far as its name tells: the
// default exchange routes to the queue that is named like the routing key.
func (op Operation) queue() string {
	if op.Queue == "" && op.Exchange == "" {
		return op.RoutingKey
	}
	return op.Queue
}

// maxText bounds every name, value and status message of a span, in bytes: an error
// may repeat the whole body of a message, and a header may be long.
const maxText = 2048

// valid cuts what is too long and replaces what is not UTF-8. AMQP names are bytes
// that the peer chooses, and OTLP refuses a whole batch for one that is not text.
func valid(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText+utf8.UTFMax)], "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.Clone(s[:end])
}

const (
	serverNamed = "amq.gen-"              // a queue that the broker has named
	directReply = "amq.rabbitmq.reply-to" // RabbitMQ's pseudo-queue for replies
)

// plan is all of an operation's telemetry that is the same each time, made once.
type plan struct {
	operation Operation
	filtered  bool
	name      string
	start     []trace.SpanStartOption // kind, and the attributes that samplers may see
	measured  []attribute.KeyValue    // of metrics
	succeeded measurement
}

func (i *Instrumentation) newPlan(op Operation) *plan {
	if i.config.filter != nil && !i.config.filter(op) {
		return &plan{operation: op, filtered: true}
	}
	destination, queue := op.destination(), op.queue()
	reply := strings.HasPrefix(queue, directReply)
	anonymous := reply || strings.HasPrefix(queue, serverNamed)
	temporary := reply || i.temporary.has(queue)
	template := ""
	if i.config.template != nil {
		template = valid(i.config.template(op))
	}

	common := []attribute.KeyValue{semconv.MessagingSystemRabbitMQ, semconv.MessagingOperationName(op.Name)}
	spanAttributes := append(common[:2:2], op.operationType(), semconv.MessagingDestinationName(destination))
	p := &plan{operation: op, name: op.Name, measured: common[:2:2]}
	switch {
	case template != "":
		p.name += " " + template
		p.measured = append(p.measured, semconv.MessagingDestinationTemplate(template))
		spanAttributes = append(spanAttributes, semconv.MessagingDestinationTemplate(template))
	case !anonymous && !temporary:
		p.name = valid(p.name + " " + destination)
		p.measured = append(p.measured, semconv.MessagingDestinationName(destination))
	}
	p.measured = append(p.measured, i.config.server...)
	p.succeeded = newMeasurement(p, nil)

	settles := op.operationType() == semconv.MessagingOperationTypeSettle
	if !settles {
		if anonymous {
			spanAttributes = append(spanAttributes, semconv.MessagingDestinationAnonymous(true))
		}
		if temporary {
			spanAttributes = append(spanAttributes, semconv.MessagingDestinationTemporary(true))
		}
		if op.RoutingKey != "" {
			spanAttributes = append(spanAttributes, semconv.MessagingRabbitMQDestinationRoutingKey(valid(op.RoutingKey)))
		}
	}
	spanAttributes = append(spanAttributes, i.config.server...)
	if op.Name != OperationProcess {
		spanAttributes = append(spanAttributes, i.config.peer...)
	}
	spanAttributes = append(spanAttributes, i.config.attributes...)
	if i.config.spanName != nil {
		p.name = valid(i.config.spanName(op))
	}
	p.start = []trace.SpanStartOption{trace.WithSpanKind(op.kind()), trace.WithAttributes(spanAttributes...)}
	return p
}

// startWith is the plan's options and the links.
func (p *plan) startWith(links []trace.Link) []trace.SpanStartOption {
	if len(links) == 0 {
		return p.start
	}
	return append(p.start[:len(p.start):len(p.start)], trace.WithLinks(links...))
}

// maxKept bounds the memory for what the peer names: a routing key may hold
// anything.
const maxKept = 1024

// plans keeps the plan of each operation.
type plans struct {
	mu   sync.RWMutex
	kept map[Operation]*plan
}

func (i *Instrumentation) plan(op Operation) *plan {
	i.plans.mu.RLock()
	p := i.plans.kept[op]
	i.plans.mu.RUnlock()
	if p != nil {
		return p
	}
	p = i.newPlan(op)
	i.plans.mu.Lock()
	defer i.plans.mu.Unlock()
	if i.plans.kept == nil {
		i.plans.kept = map[Operation]*plan{}
	}
	if len(i.plans.kept) < maxKept {
		i.plans.kept[op] = p
	}
	return p
}

// forget drops the plans that are about a queue.
func (p *plans) forget(queue string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.kept, func(op Operation, _ *plan) bool { return op.queue() == queue })
}

// names is a bounded set.
type names struct {
	mu   sync.RWMutex
	kept map[string]struct{}
}

// add tells whether the name is new.
func (n *names) add(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, has := n.kept[name]; has {
		return false
	}
	if n.kept == nil || len(n.kept) >= maxKept {
		n.kept = map[string]struct{}{}
	}
	n.kept[name] = struct{}{}
	return true
}

func (n *names) has(name string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, has := n.kept[name]
	return has
}
