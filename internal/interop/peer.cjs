// The far side of interop_test.go: amqplib as OpenTelemetry's own package
// instruments it. Prints each finished span as a line of JSON.
'use strict';

const { context, propagation, ROOT_CONTEXT, SpanKind } = require('@opentelemetry/api');
const { AmqplibInstrumentation } = require('@opentelemetry/instrumentation-amqplib');
const { NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');

const printer = {
  onStart() {},
  onEnd(span) {
    const { traceId, spanId, traceState } = span.spanContext();
    console.log(JSON.stringify({
      kind: SpanKind[span.kind],
      traceId,
      spanId,
      parentSpanId: span.parentSpanContext?.spanId,
      traceState: traceState?.serialize(),
    }));
  },
  async forceFlush() {},
  async shutdown() {},
};

new NodeTracerProvider({ spanProcessors: [printer] }).register();
new AmqplibInstrumentation();
const amqp = require('amqplib'); // after the instrumentation, which hooks require

const actions = {
  // Publishes one message in the trace that the environment names.
  async publish(connection, queue, createChannel) {
    const channel = await connection[createChannel]();
    context.with(propagation.extract(ROOT_CONTEXT, process.env),
      () => channel.publish('', queue, Buffer.from('hello')));
    await channel.waitForConfirms?.();
    await channel.close();
  },

  async consume(connection, queue) {
    const channel = await connection.createChannel();
    const message = await new Promise((resolve, reject) => {
      channel.consume(queue, resolve).catch(reject);
    });
    channel.ack(message); // ends the span
    await channel.close();
  },
};

async function main(action, ...args) {
  const connection = await amqp.connect(process.env.AMQP_URL);
  await actions[action](connection, ...args);
  await connection.close();
}

main(...process.argv.slice(2));
