import type { Edge, Node } from '@xyflow/react'
import { duration } from '../time'
import type { Readings } from './readings'

export type Health = 'good' | 'warn' | 'bad' | 'silent'
export type Shape = 'client' | 'service' | 'exchange' | 'queue' | 'collector' | 'store'
export type Part = Node<{ title: string; lines: string[]; health: Health; shape: Shape; to?: string; why?: string }, 'part'>
export type Side = 'left' | 'right' | 'top' | 'bottom' | 'corner'

const number = (value: number) => Number(value.toPrecision(3)).toLocaleString('en')
// Two digits: the parts are read some seconds apart, and what is the same is shown as the same.
const rate = (value: number | undefined, of = '') => (value === undefined ? 'no data' : `${Number((Math.round(value * 100) / 100).toPrecision(2)).toLocaleString('en')}${of && ` ${of}`}/s`)
const bytes = (value: number) => (value < 1024 ? `${Math.round(value)} B` : value < 1024 ** 2 ? `${number(value / 1024)} KiB` : `${number(value / 1024 ** 2)} MiB`)

const retries = 'user.events.audit.retry.'

/** The architecture, as it does at this moment. */
export function picture(now: Readings): { parts: Part[]; ways: Edge[] } {
  const parts: Part[] = []
  const ways: Edge[] = []
  const part = (id: string, shape: Shape, x: number, y: number, data: Omit<Part['data'], 'shape' | 'title'> & { title?: string }) =>
    parts.push({ id, type: 'part', position: { x, y }, data: { title: id, ...data, shape } })
  const way = (source: string, target: string, value: number | undefined, label: string, more: { failed?: number; sides?: [Side, Side]; quiet?: boolean } = {}) => {
    const { failed = 0, sides = ['right', 'left'], quiet = false } = more
    ways.push({
      id: `${source} to ${target}`,
      source,
      target,
      sourceHandle: `from-${sides[0]}`,
      targetHandle: `to-${sides[1]}`,
      label: failed > 0 ? `${label}, ${rate(failed)} fail` : label,
      animated: (value ?? 0) > 0,
      className: failed > 0 ? 'bad' : value ? (quiet ? 'quiet' : 'good') : 'silent',
      style: { strokeWidth: value ? Math.min(6, 1.5 + Math.log10(1 + value)) : 1 },
    })
  }

  const service = (name: string, x: number, y: number) => {
    const latency = now.of('latency', { service_name: name })
    const lost = now.of('lost', { service_name: name }) ?? 0
    const seen = now.of('exported', { service_name: name })
    part(name, 'service', x, y, {
      lines: [latency === undefined ? 'no requests' : `p95 ${duration(latency * 1e6)}`],
      health: seen === undefined ? 'bad' : lost > 0 ? 'warn' : seen ? 'good' : 'silent',
      why: seen === undefined ? 'not heard of' : lost > 0 ? `${rate(lost, 'spans')} lost` : 'idle',
      to: `/dashboards/services?var-service=${name}`,
    })
  }
  const queue = (name: string, x: number, y: number, health: (depth: number) => Health, why?: string) => {
    const depth = now.of('depth', { rabbitmq_queue_name: name })
    const state = depth === undefined ? 'silent' : health(depth)
    part(name, 'queue', x, y, {
      lines: [depth === undefined ? 'no data' : `${number(depth)} waiting`],
      health: state,
      why: state === 'good' ? undefined : why,
      to: `/dashboards/rabbitmq?var-queue=${name}`,
    })
  }

  // the messages
  part('client', 'client', 0, 40, { lines: [rate(now.of('logins'), 'logins')], health: (now.of('loginsFailed') ?? 0) > 0 ? 'bad' : 'good', to: '/search?operation=POST+%2Fv1%2Flogin' })
  service('login-api', 250, 40)
  service('user-rpc', 250, 235)
  const unpublished = now.of('unpublished') ?? 0
  part('user.events', 'exchange', 550, 40, { lines: [rate(now.of('published'))], health: unpublished > 0 ? 'bad' : 'good', why: 'not confirmed', to: '/dashboards/rabbitmq' })
  const consumers = now.of('consumers', { rabbitmq_queue_name: 'user.events.audit' })
  queue(
    'user.events.audit',
    800,
    40,
    (depth) => (consumers === 0 || depth >= 1000 ? 'bad' : depth >= 100 ? 'warn' : 'good'),
    consumers === 0 ? 'nobody consumes' : 'more comes than is handled',
  )
  service('audit-mq', 1085, 40)
  const waiting = now.all('depth').filter(({ labels }) => labels.rabbitmq_queue_name?.startsWith(retries))
  const retryDepth = waiting.reduce((sum, { value }) => sum + value, 0)
  const retried = now.of('outcomes', { outcome: 'retried' })
  part('retry queues', 'queue', 800, 225, {
    lines: [`${number(retryDepth)} waiting`, waiting.map(({ labels }) => labels.rabbitmq_queue_name!.slice(retries.length)).sort((a, b) => seconds(a) - seconds(b)).join(' · ')],
    health: retryDepth > 0 || (retried ?? 0) > 0 ? 'warn' : 'good',
    why: 'tried again',
    to: `/dashboards/rabbitmq?${waiting.map(({ labels }) => `var-queue=${labels.rabbitmq_queue_name}`).join('&')}`,
  })
  queue('user.events.audit.dead', 1240, 225, (depth) => (depth > 0 ? 'bad' : 'good'), 'given up')

  const call = (client: string, server: string) => [now.of('calls', { client, server }), now.of('callsFailed', { client, server })] as const
  way('client', 'login-api', now.of('logins'), rate(now.of('logins')), { failed: now.of('loginsFailed') })
  const [rpc, rpcFailed] = call('login-api', 'user-rpc')
  way('login-api', 'user-rpc', rpc, `gRPC ${rate(rpc)}`, { failed: rpcFailed, sides: ['bottom', 'top'] })
  way('login-api', 'user.events', now.of('published'), `publish ${rate(now.of('published'))}`, { failed: unpublished })
  const audit = { rabbitmq_queue_name: 'user.events.audit' }
  way('user.events', 'user.events.audit', now.of('routed', audit), rate(now.of('routed', audit)))
  way('user.events.audit', 'audit-mq', now.of('delivered', audit), rate(now.of('delivered', audit)))
  way('audit-mq', 'retry queues', retried, `retry ${rate(retried ?? 0)}`, { sides: ['bottom', 'right'] })
  way('retry queues', 'user.events.audit', retried, '', { sides: ['top', 'bottom'] })
  const dead = now.of('outcomes', { outcome: 'dead_lettered' })
  way('audit-mq', 'user.events.audit.dead', dead, `give up ${rate(dead ?? 0)}`, { sides: ['right', 'top'], failed: dead })

  // the telemetry
  const received = now.all('exported').reduce((sum, { value }) => sum + value, 0)
  const refused = now.of('refused') ?? 0
  part('otel-collector', 'collector', 640, 410, {
    lines: [rate(received, 'spans')],
    health: refused > 0 ? 'bad' : received ? 'good' : 'silent',
    why: refused > 0 ? `refuses ${rate(refused)}` : 'receives no spans',
    to: '/dashboards/collector',
  })
  const reports: [string, Side, Side][] = [
    ['login-api', 'corner', 'top'],
    ['user-rpc', 'right', 'left'],
    ['audit-mq', 'corner', 'right'],
  ]
  for (const [name, ...sides] of reports) {
    const spans = now.of('exported', { service_name: name })
    way(name, 'otel-collector', spans, rate(spans, 'spans'), { sides, quiet: true })
  }
  const stores = [
    ['jaeger', 'Jaeger', 'sentSpans', 'spans', '/search?store=jaeger'],
    ['tempo', 'Tempo', 'sentSpans', 'spans', '/search?store=tempo'],
    ['loki', 'Loki', 'sentLogs', 'lines', '/dashboards/services'],
    ['prometheus', 'Prometheus', 'sentMetrics', 'points', '/dashboards/message-flow'],
  ] as const
  stores.forEach(([id, title, sent, unit, to], i) => {
    const exporter = now.all('fill').find(({ labels }) => labels.exporter?.endsWith(`/${id}`))?.labels.exporter ?? id
    const value = now.of(sent, { exporter })
    const [fill, queued] = [now.of('fill', { exporter }) ?? 0, now.of('waiting', { exporter }) ?? 0]
    const [away, stuck] = [now.away(id), received > 0 && !value]
    part(id, 'store', 190 + i * 305, 585, {
      title,
      lines: queued > 65536 ? [`${bytes(queued)} waits (${Math.round(fill * 100)} %)`] : away ? [] : ['up to date'],
      health: away || fill >= 0.8 ? 'bad' : fill >= 0.5 || stuck ? 'warn' : value ? 'good' : 'silent',
      why: away ? 'does not answer' : stuck ? 'nothing arrives' : fill >= 0.5 ? 'its queue fills' : 'idle',
      to,
    })
    way('otel-collector', id, value, rate(value, unit), { sides: ['bottom', 'top'], quiet: true })
  })
  return { parts, ways }
}

const seconds = (written: string) => Number.parseFloat(written) * (written.endsWith('ms') ? 0.001 : 1)
