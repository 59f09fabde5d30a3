package otelamqp

import (
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The names of operations (messaging.operation.name).
const (
	opSend    = "send"
	opReceive = "receive"
	opProcess = "process"
	opAck     = "ack"
	opNack    = "nack"
	opReject  = "reject"
)

// Operation is what is done to a message, and where. What is not known is empty:
// the queue of a send, the exchange and routing key of a Get that found nothing.
type Operation struct {
	Name       string // send, receive, process, ack, nack or reject
	Exchange   string
	RoutingKey string
	Queue      string
}

func (op Operation) kind() trace.SpanKind {
	switch op.Name {
	case opSend:
		return trace.SpanKindProducer
	case opProcess:
		return trace.SpanKindConsumer
	default:
		return trace.SpanKindClient
	}
}

func (op Operation) operationType() attribute.KeyValue {
	switch op.Name {
	case opSend, opReceive, opProcess:
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

// valid replaces what is not UTF-8. AMQP names are bytes that the peer chooses,
// and OTLP refuses a whole batch for one that is not text.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

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

func (c *Channel) newPlan(op Operation) *plan {
	if c.config.filter != nil && !c.config.filter(op) {
		return &plan{operation: op, filtered: true}
	}
	destination, queue := op.destination(), op.queue()
	reply := strings.HasPrefix(queue, directReply)
	anonymous := reply || strings.HasPrefix(queue, serverNamed)
	temporary := reply || c.temporary.has(queue)
	template := ""
	if c.config.template != nil {
		template = valid(c.config.template(op))
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
		p.name += " " + destination
		p.measured = append(p.measured, semconv.MessagingDestinationName(destination))
	}
	p.measured = append(p.measured, c.config.server...)
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
	spanAttributes = append(spanAttributes, c.config.server...)
	if op.Name != opProcess {
		spanAttributes = append(spanAttributes, c.config.peer...)
	}
	spanAttributes = append(spanAttributes, c.config.attributes...)
	if c.config.spanName != nil {
		p.name = valid(c.config.spanName(op))
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

func (c *Channel) plan(op Operation) *plan {
	c.plans.mu.RLock()
	p := c.plans.kept[op]
	c.plans.mu.RUnlock()
	if p != nil {
		return p
	}
	p = c.newPlan(op)
	c.plans.mu.Lock()
	defer c.plans.mu.Unlock()
	if c.plans.kept == nil {
		c.plans.kept = map[Operation]*plan{}
	}
	if len(c.plans.kept) < maxKept {
		c.plans.kept[op] = p
	}
	return p
}

func (p *plans) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.kept)
}

// names is a bounded set.
type names struct {
	mu   sync.RWMutex
	kept map[string]struct{}
}

func (n *names) add(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kept == nil || len(n.kept) >= maxKept {
		n.kept = map[string]struct{}{}
	}
	n.kept[name] = struct{}{}
}

func (n *names) has(name string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, has := n.kept[name]
	return has
}
