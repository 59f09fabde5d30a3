import type { TimeSeriesData } from '@perses-dev/core'

export type Cell = [time: number, bucket: number, count: number]

/** A classic histogram's buckets, which Perses' own heatmap does not draw: one row for each `le` that is needed, and for the limit; its count without those below. */
export function buckets({ series, stepMs = 10_000 }: TimeSeriesData, limit?: number) {
  const sorted = series
    .map(({ labels, values }) => ({ le: Number((labels?.le ?? '').replace('+Inf', 'Infinity')), values: new Map(values) }))
    .filter(({ le }) => !Number.isNaN(le))
    .sort((a, b) => a.le - b.le)
  const cells = sorted.flatMap(({ values }, row) =>
    [...values].flatMap(([time, total]): Cell[] => {
      const count = (total ?? 0) - (row ? (sorted[row - 1]!.values.get(time) ?? 0) : 0)
      return count > 0 ? [[time, row, count]] : []
    }),
  )
  const filled = new Set(cells.map(([, row]) => row))
  const [low, high] = [Math.max(0, Math.min(...filled) - 1), Math.max(...filled, sorted.findIndex(({ le }) => le === limit)) + 1]
  return { les: sorted.map(({ le }) => le).slice(low, high + 1), cells: cells.map(([time, row, count]): Cell => [time, row - low, count]), stepMs }
}

/** The row of a value among the buckets' upper bounds. */
export const rowOf = (les: number[], value: number) => {
  const row = les.findIndex((le) => value <= le)
  return row < 0 ? les.length - 1 : row
}

export const rowsOf = (data: TimeSeriesData, limit?: number) => buckets(data, limit).les
