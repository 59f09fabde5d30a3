import { expect, test } from 'vitest'
import { toTrace, type Span } from '../backends/traces'
import { criticalPath, queueTimes, selfTimes } from './analysis'
import { pairs } from './pairs'

const span = (id: string, parentId: string, start: number, end: number, kind: Span['kind'] = 'INTERNAL'): Span => ({
  ...{ traceId: '1'.repeat(32), id, parentId, name: id, kind, service: 's', scope: '', status: 'UNSET', message: '' },
  ...{ start: BigInt(start), end: BigInt(end), attributes: {}, resource: {}, events: [], links: [], depth: 0, orphan: false },
})

// A login: its answer does not wait for the consumer.
const login = toTrace([
  span('login', '', 0, 80, 'SERVER'),
  span('call', 'login', 5, 30, 'CLIENT'),
  span('serve', 'call', 10, 25, 'SERVER'),
  span('send', 'login', 40, 70, 'PRODUCER'),
  span('process', 'send', 100, 160, 'CONSUMER'),
  span('sql', 'process', 110, 150, 'CLIENT'),
])

test('the self time is what no child covers', () => {
  expect(Object.fromEntries(selfTimes(login))).toEqual({ login: 25n, call: 10n, serve: 15n, send: 30n, process: 20n, sql: 40n })
  const early = toTrace([span('send', '', 0, 10, 'PRODUCER'), span('process', 'send', 5, 20, 'CONSUMER')])
  expect(selfTimes(early).get('send')).toBe(10n)
  const parallel = toTrace([span('a', '', 0, 10), span('b', 'a', 1, 6), span('c', 'a', 2, 4), span('d', 'a', 5, 8)])
  expect(selfTimes(parallel).get('a')).toBe(3n)
})

test('the time in the queue is between the publish and the consumer', () => {
  expect([...queueTimes(login)].map(([id, { start, end }]) => [id, start, end])).toEqual([['process', 70n, 100n]])
})

test('the critical path covers the whole time once, the queue included', () => {
  const path = criticalPath(login)
  expect(path.map(({ span, queuedFor, start, end }) => [span?.id ?? (queuedFor && 'queue'), Number(start), Number(end)])).toEqual([
    ['login', 0, 5],
    ['call', 5, 10],
    ['serve', 10, 25],
    ['call', 25, 30],
    ['login', 30, 40],
    ['send', 40, 70],
    ['queue', 70, 100],
    ['process', 100, 110],
    ['sql', 110, 150],
    ['process', 150, 160],
  ])
})

test('of what runs at once, the critical path has what ended last', () => {
  const path = criticalPath(toTrace([span('a', '', 0, 20), span('b', 'a', 2, 8), span('c', 'a', 2, 18)]))
  expect(path.map(({ span, start, end }) => [span?.id, Number(start), Number(end)])).toEqual([
    ['a', 0, 2],
    ['c', 2, 18],
    ['a', 18, 20],
  ])
})

test('time in which no span runs is nobody’s', () => {
  const path = criticalPath(toTrace([span('a', '', 0, 10), span('b', 'gone', 15, 20)]))
  expect(path.map(({ span, queuedFor, start, end }) => [span?.id, queuedFor, Number(start), Number(end)])).toEqual([
    ['a', undefined, 0, 10],
    [undefined, undefined, 10, 15],
    ['b', undefined, 15, 20],
  ])
})

test('two traces are compared by what their spans do', () => {
  const slow = toTrace([span('login', '', 0, 80), { ...span('1', 'login', 5, 30), name: 'sql' }, { ...span('2', 'login', 35, 70), name: 'sql' }])
  const usual = toTrace([{ ...span('x', '', 0, 40), name: 'login' }, { ...span('y', 'x', 5, 9), name: 'sql' }, { ...span('z', 'x', 10, 12), name: 'cache' }])
  expect(pairs(slow, usual).map(({ a, b, depth }) => [a?.id, b?.id, depth])).toEqual([
    ['login', 'x', 0],
    ['1', 'y', 1],
    ['2', undefined, 1],
    [undefined, 'z', 1],
  ])
})
