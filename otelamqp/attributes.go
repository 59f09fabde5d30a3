package otelamqp

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// defaultExchange stands for a destination that has neither exchange nor
// routing key, as the RabbitMQ conventions ask.
const defaultExchange = "amq.default"

// publishDestination is messaging.destination.name of a producer:
// {exchange}:{routing key}, or the one of them that is not empty.
func publishDestination(exchange, key string) string {
	switch {
	case exchange != "" && key != "":
		return exchange + ":" + key
	case exchange != "":
		return exchange
	case key != "":
		return key
	default:
		return defaultExchange
	}
}

// consumeDestination is messaging.destination.name of a consumer:
// {exchange}:{routing key}:{queue} without what is empty, and with a queue that
// is named like the routing key (the default exchange routes so) only once.
func consumeDestination(exchange, key, queue string) string {
	if key == queue {
		key = ""
	}
	destination := ""
	for _, part := range []string{exchange, key, queue} {
		if part == "" {
			continue
		}
		if destination != "" {
			destination += ":"
		}
		destination += part
	}
	if destination == "" {
		return defaultExchange
	}
	return destination
}

// valid replaces what is not UTF-8. AMQP names are bytes that the peer chooses,
// and OTLP refuses a whole batch for one that is not text.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func serverAttributes(host string, port int) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.ServerAddress(host)}
	if port > 0 {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	return attrs
}

func (c *Channel) sendAttributes(destination, key string, msg *amqp.Publishing) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 10+len(c.config.attributes))
	attrs = append(attrs,
		semconv.MessagingSystemRabbitMQ,
		semconv.MessagingOperationName("send"),
		semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(destination),
	)
	return c.messageAttributes(attrs, key, msg.MessageId, msg.CorrelationId, len(msg.Body))
}

func (c *Channel) processAttributes(destination string, d *amqp.Delivery) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 11+len(c.config.attributes))
	attrs = append(attrs,
		semconv.MessagingSystemRabbitMQ,
		semconv.MessagingOperationName("process"),
		semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationName(destination),
		semconv.MessagingRabbitMQMessageDeliveryTag(int(d.DeliveryTag)),
	)
	return c.messageAttributes(attrs, d.RoutingKey, d.MessageId, d.CorrelationId, len(d.Body))
}

func (c *Channel) messageAttributes(attrs []attribute.KeyValue, key, messageID, conversationID string, bodySize int) []attribute.KeyValue {
	if key != "" {
		attrs = append(attrs, semconv.MessagingRabbitMQDestinationRoutingKey(valid(key)))
	}
	if messageID != "" {
		attrs = append(attrs, semconv.MessagingMessageID(valid(messageID)))
	}
	if conversationID != "" {
		attrs = append(attrs, semconv.MessagingMessageConversationID(valid(conversationID)))
	}
	if c.config.bodySize {
		attrs = append(attrs, semconv.MessagingMessageBodySize(bodySize))
	}
	return append(attrs, c.config.attributes...)
}
