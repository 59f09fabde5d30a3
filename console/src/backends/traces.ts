import { BackendError, get } from './request'

export type TraceStore = 'tempo' | 'jaeger'
export const storeNames: Record<TraceStore, string> = { tempo: 'Tempo', jaeger: 'Jaeger' }

export type Attributes = Record<string, string>
export type Kind = 'INTERNAL' | 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER' | 'UNSPECIFIED'
export interface Event {
  name: string
  /** Nanoseconds since the epoch, here and below. */
  time: bigint
  attributes: Attributes
}
export interface Link {
  traceId: string
  spanId: string
  attributes: Attributes
}
export interface Span {
  traceId: string
  id: string
  parentId: string
  name: string
  kind: Kind
  service: string
  scope: string
  start: bigint
  end: bigint
  status: 'UNSET' | 'OK' | 'ERROR'
  message: string
  attributes: Attributes
  resource: Attributes
  events: Event[]
  links: Link[]
  depth: number
  /** Its parent is not in the trace: not yet arrived, sampled away, or lost. */
  orphan: boolean
}
export interface Trace {
  id: string
  /** Depth first, siblings by their start. */
  spans: Span[]
  services: string[]
  start: bigint
  end: bigint
}

// --- OTLP as JSON, in the two dialects of the stores ---

interface Value {
  stringValue?: string
  boolValue?: boolean
  intValue?: string | number
  doubleValue?: number
  bytesValue?: string
  arrayValue?: { values?: Value[] }
  kvlistValue?: { values?: KeyValue[] }
}
interface KeyValue {
  key: string
  value?: Value
}
interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind?: number | string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes?: KeyValue[]
  events?: { name?: string; timeUnixNano: string; attributes?: KeyValue[] }[]
  links?: { traceId: string; spanId: string; attributes?: KeyValue[] }[]
  status?: { code?: number | string; message?: string }
}
export interface Otlp {
  resourceSpans?: {
    resource?: { attributes?: KeyValue[] }
    scopeSpans?: { scope?: { name?: string }; spans?: OtlpSpan[] }[]
  }[]
}

const kinds: Kind[] = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER']
const statuses = ['UNSET', 'OK', 'ERROR'] as const

const kindOf = (kind: number | string = 0): Kind =>
  (typeof kind === 'number' ? kinds[kind] : (kind.replace('SPAN_KIND_', '') as Kind)) ?? 'UNSPECIFIED'
const statusOf = (code: number | string = 0): Span['status'] =>
  (typeof code === 'number' ? statuses[code] : (code.replace('STATUS_CODE_', '') as Span['status'])) ?? 'UNSET'

/** Jaeger writes ids in hexadecimal, Tempo in base64. */
function hex(id: string | undefined, length: 16 | 32): string {
  if (!id) return ''
  const digits = id.length === length ? id.toLowerCase() : Array.from(atob(id), (c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('')
  return /^0*$/.test(digits) ? '' : digits
}

function text(value: Value | undefined): string {
  if (!value) return ''
  if (value.arrayValue) return `[${(value.arrayValue.values ?? []).map(text).join(', ')}]`
  if (value.kvlistValue) return JSON.stringify(attributesOf(value.kvlistValue.values))
  return String(value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue ?? value.bytesValue ?? '')
}

const attributesOf = (list: KeyValue[] = []): Attributes => Object.fromEntries(list.map(({ key, value }) => [key, text(value)]))

export function parseSpans(otlp: Otlp): Span[] {
  return (otlp.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const of = attributesOf(resource?.attributes)
    return (scopeSpans ?? []).flatMap(({ scope, spans }) =>
      (spans ?? []).map((span) => ({
        traceId: hex(span.traceId, 32),
        id: hex(span.spanId, 16),
        parentId: hex(span.parentSpanId, 16),
        name: span.name,
        kind: kindOf(span.kind),
        service: of['service.name'] ?? 'unknown',
        scope: scope?.name ?? '',
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        status: statusOf(span.status?.code),
        message: span.status?.message ?? '',
        attributes: attributesOf(span.attributes),
        resource: of,
        events: (span.events ?? []).map((event) => ({
          name: event.name ?? '',
          time: BigInt(event.timeUnixNano),
          attributes: attributesOf(event.attributes),
        })),
        links: (span.links ?? []).map((link) => ({
          traceId: hex(link.traceId, 32),
          spanId: hex(link.spanId, 16),
          attributes: attributesOf(link.attributes),
        })),
        depth: 0,
        orphan: false,
      })),
    )
  })
}

export function groupBy<Key, Item>(items: Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return groups
}

const byStart = (a: Span, b: Span) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.id < b.id ? -1 : 1)

export function toTrace(unordered: Span[]): Trace {
  const byId = new Map(unordered.map((span) => [span.id, span]))
  const children = groupBy(unordered, (span) => (byId.has(span.parentId) ? span.parentId : ''))
  const spans: Span[] = []
  const waiting = (children.get('') ?? []).sort(byStart).reverse()
  for (const root of waiting) root.orphan = root.parentId !== ''
  for (let span = waiting.pop(); span; span = waiting.pop()) {
    spans.push(span)
    for (const child of (children.get(span.id) ?? []).sort(byStart).reverse()) {
      child.depth = span.depth + 1
      waiting.push(child)
    }
  }
  const start = spans.reduce((min, span) => (span.start < min ? span.start : min), spans[0]?.start ?? 0n)
  const end = spans.reduce((max, span) => (span.end > max ? span.end : max), spans[0]?.end ?? 0n)
  return { id: spans[0]?.traceId ?? '', spans, services: [...new Set(spans.map((span) => span.service))], start, end }
}

export const parseTrace = (otlp: Otlp): Trace => toTrace(parseSpans(otlp))

// --- the stores ---

/** A trace id as people paste it: bare, in capitals, within a traceparent, or without its leading zeros, as Tempo's search writes it. */
export const cleanTraceId = (pasted: string): string | undefined => {
  const id = pasted.trim().toLowerCase()
  return /^[0-9a-f]{16,32}$/.test(id) ? id.padStart(32, '0') : /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(id)?.[1]
}

export async function fetchOtlp(store: TraceStore, id: string, signal?: AbortSignal): Promise<Otlp> {
  const otlp =
    store === 'tempo'
      ? (await get<{ trace?: Otlp }>('tempo', `api/v2/traces/${id}`, {}, signal)).trace
      : (await get<{ result?: Otlp }>('jaeger', `api/v3/traces/${id}`, {}, signal)).result
  if (!otlp?.resourceSpans?.length) throw new BackendError(404, `${storeNames[store]} has no trace ${id}`)
  return otlp
}

export const fetchTrace = async (store: TraceStore, id: string, signal?: AbortSignal) => parseTrace(await fetchOtlp(store, id, signal))

export interface TraceSummary {
  traceId: string
  service: string
  name: string
  start: number
  /** Milliseconds. */
  duration: number
  spans: number
  errors: number
  services: string[]
}

export interface TraceSearch {
  service?: string
  operation?: string
  /** As in `http.route=/v1/login messaging.system=rabbitmq`. */
  attributes?: string
  min?: string
  max?: string
  status?: string
  from: Date
  to: Date
  limit?: number
}

export function parseAttributes(written = ''): [string, string][] {
  return [...written.matchAll(/([^\s=]+)=(?:"([^"]*)"|(\S*))/g)].map(([, key, quoted, plain]) => [key!, quoted ?? plain ?? ''])
}

export function traceql(search: TraceSearch): string {
  const quote = (value: string) => JSON.stringify(value)
  const conditions = [
    search.service && `resource.service.name = ${quote(search.service)}`,
    search.operation && `name = ${quote(search.operation)}`,
    search.status && `status = ${search.status}`,
    ...parseAttributes(search.attributes).map(([key, value]) =>
      /^-?\d+(\.\d+)?$/.test(value) ? `(.${key} = ${quote(value)} || .${key} = ${value})` : `.${key} = ${quote(value)}`,
    ),
    search.min && `trace:duration >= ${search.min}`,
    search.max && `trace:duration <= ${search.max}`,
  ].filter(Boolean)
  // Without the hint it stops at the first traces that it comes across, which need not be the latest.
  return `{ ${conditions.join(' && ')} } with (most_recent=true)`
}

interface TempoTrace {
  traceID: string
  rootServiceName?: string
  rootTraceName?: string
  startTimeUnixNano: string
  durationMs?: number
  serviceStats?: Record<string, { spanCount: number; errorCount?: number }>
}

export async function searchTempo(query: string, from: Date, to: Date, limit = 20): Promise<TraceSummary[]> {
  const { traces = [] } = await get<{ traces?: TempoTrace[] }>('tempo', 'api/search', {
    q: query,
    limit,
    start: Math.floor(from.getTime() / 1000),
    end: Math.ceil(to.getTime() / 1000),
  })
  const found = traces.map(({ serviceStats = {}, ...trace }) => ({
    traceId: trace.traceID.padStart(32, '0'),
    service: trace.rootServiceName ?? '',
    name: trace.rootTraceName ?? '',
    start: Number(BigInt(trace.startTimeUnixNano) / 1000000n),
    duration: trace.durationMs ?? 0,
    spans: Object.values(serviceStats).reduce((sum, { spanCount }) => sum + spanCount, 0),
    errors: Object.values(serviceStats).reduce((sum, { errorCount = 0 }) => sum + errorCount, 0),
    services: Object.keys(serviceStats).sort(),
  }))
  return found.sort(newestFirst)
}

/** The traces of which a span is linked to this one, as far as Tempo knows. */
export function linksTo({ id, start }: Span): Promise<TraceSummary[]> {
  const began = Number(start / 1000000n)
  const hour = 3600_000
  return searchTempo(`{ link:spanID = "${id}" } with (most_recent=true)`, new Date(began - hour), new Date(Math.min(Date.now(), began + 24 * hour)))
}

export interface JaegerTrace {
  traceID: string
  spans: {
    spanID: string
    operationName: string
    /** Microseconds, as is the duration. */
    startTime: number
    duration: number
    processID: string
    references?: { refType: string; spanID: string }[]
    tags?: { key: string; value: unknown }[]
  }[]
  processes: Record<string, { serviceName: string }>
}

/** By the interface of Jaeger's own page, which takes attributes; that of version 3 does not. */
async function searchJaeger(search: TraceSearch): Promise<TraceSummary[]> {
  const tags = Object.fromEntries(parseAttributes(search.attributes))
  if (search.status === 'error') tags.error = 'true'
  else if (search.status) tags['otel.status_code'] = search.status.toUpperCase()
  const { data } = await get<{ data?: JaegerTrace[] | null }>('jaeger', 'api/traces', {
    service: search.service,
    operation: search.operation,
    tags: Object.keys(tags).length > 0 ? JSON.stringify(tags) : undefined,
    start: search.from.getTime() * 1000,
    end: search.to.getTime() * 1000,
    minDuration: search.min,
    maxDuration: search.max,
    limit: search.limit ?? 20,
  })
  return (data ?? []).map(summary).sort(newestFirst)
}

const newestFirst = (a: TraceSummary, b: TraceSummary) => b.start - a.start

export function summary({ traceID, spans, processes }: JaegerTrace): TraceSummary {
  const ids = new Set(spans.map(({ spanID }) => spanID))
  const sorted = spans.toSorted((a, b) => a.startTime - b.startTime)
  const root = sorted.find(({ references = [] }) => !references.some(({ refType, spanID }) => refType === 'CHILD_OF' && ids.has(spanID))) ?? sorted[0]!
  const serviceOf = ({ processID }: { processID: string }) => processes[processID]?.serviceName ?? 'unknown'
  const start = sorted[0]!.startTime
  return {
    traceId: traceID.padStart(32, '0'),
    service: serviceOf(root),
    name: root.operationName,
    start: start / 1000,
    duration: (spans.reduce((end, span) => Math.max(end, span.startTime + span.duration), start) - start) / 1000,
    spans: spans.length,
    errors: spans.filter(({ tags = [] }) => tags.some(({ key, value }) => key === 'error' && String(value) === 'true')).length,
    services: [...new Set(spans.map(serviceOf))].sort(),
  }
}

export const searchTraces = (store: TraceStore, search: TraceSearch): Promise<TraceSummary[]> =>
  store === 'tempo' ? searchTempo(traceql(search), search.from, search.to, search.limit) : searchJaeger(search)

export async function services(store: TraceStore): Promise<string[]> {
  if (store === 'jaeger') return ((await get<{ services?: string[] }>('jaeger', 'api/v3/services')).services ?? []).sort()
  return tagValues('resource.service.name')
}

export async function operations(store: TraceStore, service: string): Promise<string[]> {
  if (store === 'jaeger') {
    const { operations = [] } = await get<{ operations?: { name: string }[] }>('jaeger', 'api/v3/operations', { service })
    return [...new Set(operations.map(({ name }) => name))].sort()
  }
  return tagValues('name', service && `{ resource.service.name = ${JSON.stringify(service)} }`)
}

async function tagValues(tag: string, q = ''): Promise<string[]> {
  const { tagValues = [] } = await get<{ tagValues?: { value: string }[] }>('tempo', `api/v2/search/tag/${tag}/values`, { q })
  return tagValues.map(({ value }) => value).sort()
}
