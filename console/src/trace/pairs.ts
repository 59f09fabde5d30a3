import type { Span, Trace } from '../backends/traces'

export interface Pair {
  key: string
  depth: number
  a?: Span
  b?: Span
}

/** The spans of two traces that do the same: the n-th of its service and name below the same parent. */
export function pairs(a: Trace, b: Trace): Pair[] {
  const [ofA, ofB] = [keyed(a), keyed(b)]
  const found: Pair[] = [...ofA].map(([key, span]) => ({ key, depth: span.depth, a: span, b: ofB.get(key) }))
  for (const [key, span] of ofB) {
    if (ofA.has(key)) continue
    const parent = key.slice(0, key.lastIndexOf('\n'))
    const after = found.findLastIndex((pair) => pair.key === parent || pair.key.startsWith(`${parent}\n`))
    found.splice(after < 0 ? found.length : after + 1, 0, { key, depth: span.depth, b: span })
  }
  return found
}

function keyed({ spans }: Trace): Map<string, Span> {
  const keys = new Map<string, string>()
  const seen = new Map<string, number>()
  return new Map(
    spans.map((span) => {
      const path = `${keys.get(span.parentId) ?? ''}\n${span.service} ${span.name}`
      const number = seen.get(path) ?? 0
      seen.set(path, number + 1)
      const key = `${path} ${number}`
      keys.set(span.id, key)
      return [key, span]
    }),
  )
}
