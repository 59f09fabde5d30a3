import { Box } from '@mui/material'
import { useTimeRange } from '@perses-dev/plugin-system'
import { useQueries } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { Link } from 'react-router-dom'
import { exemplars, type Exemplar } from '../backends/prometheus'
import { clock, duration } from '../time'
import { useChart, type Drawn } from './use-chart'

/** Single traces as points on a chart: each is a link to its trace. */
export function Exemplars({ queries, chartIn, rowOf }: { queries: string[]; chartIn: HTMLElement; rowOf?: (value: number) => number }) {
  const { absoluteTimeRange } = useTimeRange()
  const { start, end } = absoluteTimeRange
  const results = useQueries({
    queries: queries.map((query) => ({
      queryKey: ['exemplars', query, start.getTime(), end.getTime()],
      queryFn: () => exemplars(query.replaceAll(/\$__\w+/g, '1m'), start, end),
    })),
  })
  const key = results.map(({ dataUpdatedAt }) => dataUpdatedAt).join()
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the results
  const some = useMemo(() => thinned(results.flatMap(({ data }) => data ?? []), start.getTime(), end.getTime()), [key])
  const [points, setPoints] = useState<{ exemplar: Exemplar; left: number; top: number }[]>([])

  const place = useCallback(
    (drawn?: Drawn) =>
      setPoints(
        !drawn
          ? []
          : some.flatMap((exemplar) => {
              const { chart, grid } = drawn
              const at = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [exemplar.time, rowOf ? rowOf(exemplar.value) : exemplar.value]) as number[] | undefined
              if (!at || at.some(Number.isNaN) || at[0]! < grid.x || at[0]! > grid.x + grid.width) return []
              // One above the axis is shown at its upper end.
              const top = Math.min(Math.max(at[1]!, grid.y), grid.y + grid.height)
              return { exemplar, left: at[0]! + drawn.left, top: top + drawn.top }
            }),
      ),
    [some, rowOf],
  )
  useChart(chartIn, place)

  return (
    <>
      {points.map(({ exemplar, left, top }) => (
        <Box
          key={`${exemplar.traceId}${exemplar.spanId}`}
          component={Link}
          to={`/trace/${exemplar.traceId}${exemplar.spanId ? `?span=${exemplar.spanId}` : ''}`}
          data-exemplar={exemplar.traceId}
          title={`${exemplar.labels.service_name ?? ''} ${exemplar.labels.span_name ?? ''}\n${duration(exemplar.value * 1e6)} at ${clock(exemplar.time)}\nOpen trace ${exemplar.traceId}`}
          aria-label={`Trace ${exemplar.traceId}`}
          sx={{
            position: 'absolute',
            width: 9,
            height: 9,
            m: '-4.5px',
            transform: 'rotate(45deg)',
            bgcolor: 'secondary.main',
            border: '1px solid',
            borderColor: 'background.paper',
            zIndex: 1,
            '&:hover, &:focus-visible': { outline: '2px solid', outlineColor: 'text.primary' },
          }}
          style={{ left, top }}
        />
      ))}
    </>
  )
}

/** The slowest of each fortieth of the time, so that they can be told apart. */
function thinned(all: Exemplar[], start: number, end: number): Exemplar[] {
  const slowest = new Map<number, Exemplar>()
  for (const exemplar of all) {
    const part = Math.floor(((exemplar.time - start) / (end - start)) * 40)
    const before = slowest.get(part)
    if (!before || before.value < exemplar.value) slowest.set(part, exemplar)
  }
  return [...slowest.values()]
}
