import { expect, test } from 'vitest'
import { differences } from '../trace/difference'
import { cleanTraceId, parseAttributes, parseTrace, summary, toTrace, traceql, type Otlp } from './traces'

const id = 'c57c2b5db55aeced78628bc77ae6cb9f'
const base64 = (hex: string) => btoa(String.fromCharCode(...hex.match(/../g)!.map((pair) => Number.parseInt(pair, 16))))
const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
const resource = { attributes: [attribute('service.name', 'login-api')] }

const jaeger = (status = 2): Otlp => ({
  resourceSpans: [
    {
      resource,
      scopeSpans: [
        {
          spans: [
            { traceId: id, spanId: '00000000000000b2', parentSpanId: '00000000000000a1', name: 'child', kind: 3, startTimeUnixNano: '20', endTimeUnixNano: '30', status: { code: status } },
            { traceId: id, spanId: '00000000000000a1', name: 'root', kind: 2, startTimeUnixNano: '10', endTimeUnixNano: '40', attributes: [{ key: 'n', value: { intValue: '7' } }] },
          ],
        },
      ],
    },
  ],
})
const tempo: Otlp = {
  resourceSpans: [
    {
      resource,
      scopeSpans: [
        {
          spans: [
            {
              traceId: base64(id),
              spanId: base64('00000000000000a1'),
              name: 'root',
              kind: 'SPAN_KIND_SERVER',
              startTimeUnixNano: '10',
              endTimeUnixNano: '40',
              attributes: [{ key: 'n', value: { intValue: 7 } }],
              status: {},
            },
            {
              traceId: base64(id),
              spanId: base64('00000000000000b2'),
              parentSpanId: base64('00000000000000a1'),
              name: 'child',
              kind: 'SPAN_KIND_CLIENT',
              startTimeUnixNano: '20',
              endTimeUnixNano: '30',
              status: { code: 'STATUS_CODE_ERROR' },
            },
          ],
        },
      ],
    },
  ],
}

test('both dialects of OTLP give the same trace', () => {
  const trace = parseTrace(jaeger())
  expect(parseTrace(tempo)).toEqual(trace)
  expect(trace.spans.map(({ name, depth, kind, status }) => [name, depth, kind, status])).toEqual([
    ['root', 0, 'SERVER', 'UNSET'],
    ['child', 1, 'CLIENT', 'ERROR'],
  ])
  expect(differences(parseTrace(tempo), trace).differences).toEqual([])
})

test('a difference is named, and so is a span that one store lacks', () => {
  const [changed] = differences(parseTrace(tempo), parseTrace(jaeger(1))).differences
  expect(changed?.what).toEqual(['status: Tempo “ERROR”, Jaeger “OK”'])
  const lacking = toTrace(parseTrace(jaeger()).spans.filter(({ name }) => name === 'root'))
  expect(differences(parseTrace(tempo), lacking).differences.map(({ span, what }) => [span.name, what])).toEqual([['child', ['only in Tempo']]])
})

test('a span whose parent is missing is an orphan beside the root', () => {
  const { spans } = toTrace(parseTrace(jaeger()).spans.filter(({ name }) => name === 'child').map((span) => ({ ...span, depth: 0 })))
  expect(spans.map(({ name, depth, orphan }) => [name, depth, orphan])).toEqual([['child', 0, true]])
})

test('trace ids are taken as they are pasted', () => {
  expect(cleanTraceId(` ${id.toUpperCase()}\n`)).toBe(id)
  expect(cleanTraceId(`00-${id}-00000000000000a1-01`)).toBe(id)
  expect(cleanTraceId(id.slice(1))).toBe(`0${id.slice(1)}`)
  expect(cleanTraceId('4711')).toBeUndefined()
})

test('a search becomes TraceQL', () => {
  const when = { from: new Date(), to: new Date() }
  expect(traceql({ ...when })).toBe('{  } with (most_recent=true)')
  expect(traceql({ ...when, service: 'a"b', min: '5ms', status: 'error', attributes: 'http.route=/v1/login code=200' })).toBe(
    '{ resource.service.name = "a\\"b" && status = error && .http.route = "/v1/login" && (.code = "200" || .code = 200) && trace:duration >= 5ms } with (most_recent=true)',
  )
  expect(parseAttributes('a=1 b="two words"')).toEqual([
    ['a', '1'],
    ['b', 'two words'],
  ])
})

test('a trace of Jaeger’s search is told in short', () => {
  const span = (spanID: string, startTime: number, duration: number, parent?: string, tags?: { key: string; value: unknown }[]) => ({
    ...{ spanID, operationName: `do ${spanID}`, startTime, duration, processID: parent ? 'p2' : 'p1', tags },
    references: parent ? [{ refType: 'CHILD_OF', spanID: parent }] : [],
  })
  expect(
    summary({
      traceID: id.slice(1),
      spans: [span('b', 1_700_000_000_002_000, 7000, 'a', [{ key: 'error', value: true }]), span('a', 1_700_000_000_000_000, 5000)],
      processes: { p1: { serviceName: 'login-api' }, p2: { serviceName: 'audit-mq' } },
    }),
  ).toEqual({ traceId: `0${id.slice(1)}`, service: 'login-api', name: 'do a', start: 1_700_000_000_000, duration: 9, spans: 2, errors: 1, services: ['audit-mq', 'login-api'] })
})
