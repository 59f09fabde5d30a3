import { groupBy, type Span, type Trace } from '../backends/traces'

/** A part of the time of a trace, and the span that it was spent in; none where no span ran. */
export interface Segment {
  span?: Span
  /** The consumer that the time in a queue was spent before. */
  queuedFor?: Span
  start: bigint
  end: bigint
}

const least = (a: bigint, b: bigint) => (a < b ? a : b)
const most = (a: bigint, b: bigint) => (a > b ? a : b)

/** The time of each span that none of its children covers, in nanoseconds. A producer does not wait for its consumer. */
export function selfTimes(trace: Trace): Map<string, bigint> {
  const children = groupBy(trace.spans, ({ parentId }) => parentId)
  return new Map(
    trace.spans.map((span) => {
      let covered = 0n
      let until = span.start
      for (const child of children.get(span.id) ?? []) {
        if (child.kind === 'CONSUMER') continue
        // They are sorted by their start.
        const [from, to] = [most(child.start, until), least(child.end, span.end)]
        if (to > from) [covered, until] = [covered + to - from, to]
      }
      return [span.id, span.end - span.start - covered]
    }),
  )
}

/** The publish of the message that a consumer handles, and the time that the message waited after it. */
export function queueTimes(trace: Trace): Map<string, Segment> {
  const byId = new Map(trace.spans.map((span) => [span.id, span]))
  const waits = new Map<string, Segment>()
  for (const span of trace.spans) {
    if (span.kind !== 'CONSUMER') continue
    const producer = [span.parentId, ...span.links.map(({ spanId }) => spanId)].map((id) => byId.get(id)).find((one) => one?.kind === 'PRODUCER')
    if (producer && producer.end < span.start) waits.set(span.id, { queuedFor: span, start: producer.end, end: span.start })
  }
  return waits
}

/**
 * What the whole time of the trace, from its first begin to its last end, went into:
 * from the end backwards, the child that ended last is what its parent waited for.
 */
export function criticalPath(trace: Trace): Segment[] {
  const children = groupBy(trace.spans, (span) => (span.depth === 0 ? '' : span.parentId))
  // A consumer may end long after the producer that is its parent.
  const ends = new Map<string, bigint>()
  for (const span of trace.spans.toReversed()) ends.set(span.id, (children.get(span.id) ?? []).reduce((end, { id }) => most(end, ends.get(id)!), span.end))
  const path: Segment[] = []
  const add = (segment: Segment) => segment.end > segment.start && path.push(segment)

  const visit = (span: Span | undefined, below: Span[], start: bigint, limit: bigint) => {
    let until = limit
    let next: Span | undefined
    // The span's own part of the time from one point to another, the rest being nobody's.
    const own = (from: bigint, to: bigint) => {
      const mine = span ? least(to, most(span.end, from)) : from
      const queuedFor = next?.kind === 'CONSUMER' ? next : undefined
      add({ queuedFor, start: mine, end: to })
      add({ span, start: from, end: mine })
    }
    for (const child of below.toSorted((a, b) => (ends.get(a.id)! < ends.get(b.id)! ? 1 : -1))) {
      if (child.start >= until || child.start < start) continue
      const end = least(ends.get(child.id)!, until)
      own(end, until)
      visit(child, children.get(child.id) ?? [], child.start, end)
      until = child.start
      next = child
    }
    own(start, until)
  }
  visit(undefined, children.get('') ?? [], trace.start, trace.end)
  return path.reverse()
}
