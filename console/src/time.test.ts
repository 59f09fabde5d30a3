import { expect, test } from 'vitest'
import { found } from './time'

test('a trace that is shorter than Tempo can say does not take no time', () => {
  expect([0, 0.25, 4].map(found)).toEqual(['< 1 ms', '250 µs', '4 ms'])
})
