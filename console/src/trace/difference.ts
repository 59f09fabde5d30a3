import { toTrace, type Attributes, type Span, type Trace } from '../backends/traces'

export interface Difference {
  span: Span
  /** What differs, in words; the first where a store lacks the span. */
  what: string[]
}

/** What two stores tell differently of one trace, span by span. */
export function differences(tempo: Trace, jaeger: Trace): { union: Trace; differences: Difference[] } {
  const inTempo = new Map(tempo.spans.map((span) => [span.id, span]))
  const inJaeger = new Map(jaeger.spans.map((span) => [span.id, span]))
  const union = toTrace([...new Map([...inTempo, ...inJaeger]).values()].map((span) => ({ ...span, depth: 0, orphan: false })))
  const found = union.spans.flatMap((span): Difference[] => {
    const [a, b] = [inTempo.get(span.id), inJaeger.get(span.id)]
    const what = !a ? ['only in Jaeger'] : !b ? ['only in Tempo'] : compare(a, b)
    return what.length ? [{ span, what }] : []
  })
  return { union, differences: found }
}

const plain = ['name', 'kind', 'service', 'scope', 'parentId', 'start', 'end', 'status', 'message'] as const

function compare(tempo: Span, jaeger: Span): string[] {
  const differ = (name: string, a: string | undefined, b: string | undefined) => (a === b ? [] : [`${name}: Tempo ${shown(a)}, Jaeger ${shown(b)}`])
  const attributes = (name: string, a: Attributes, b: Attributes) =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((key) => differ(`${name} ${key}`, a[key], b[key]))
  const list = (entries: { attributes: Attributes }[]) => entries.map((entry) => JSON.stringify(entry, sortedKeys)).sort().join('\n')
  return [
    ...plain.flatMap((field) => differ(field, String(tempo[field]), String(jaeger[field]))),
    ...attributes('attribute', tempo.attributes, jaeger.attributes),
    ...attributes('resource', tempo.resource, jaeger.resource),
    ...differ('events', list(tempo.events), list(jaeger.events)),
    ...differ('links', list(tempo.links), list(jaeger.links)),
  ]
}

const shown = (value: string | undefined) => (value === undefined ? 'has none' : value === '' ? 'empty' : `“${value}”`)

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}`
  if (value && typeof value === 'object' && !Array.isArray(value)) return Object.fromEntries(Object.entries(value).sort())
  return value
}
