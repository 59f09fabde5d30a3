import { expect, test } from 'vitest'
import { buckets, rowOf } from './buckets'

test('cumulative buckets become rows, without the empty ones around', () => {
  const series = (le: string, count: number) => ({ name: le, labels: { le }, values: [[1000, count]] as [number, number][] })
  const { les, cells } = buckets({ series: [series('+Inf', 9), series('0.1', 0), series('0.5', 3), series('0.2', 0), series('1', 9), series('5', 9)], stepMs: 10 })
  expect(les).toEqual([0.2, 0.5, 1, 5])
  expect(cells).toEqual([
    [1000, 1, 3],
    [1000, 2, 6],
  ])
  expect(rowOf(les, 0.3)).toBe(1)
  expect(rowOf(les, 60)).toBe(3)
})
