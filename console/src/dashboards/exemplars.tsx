import { Box } from '@mui/material'
import { useTimeRange } from '@perses-dev/plugin-system'
import { useQueries } from '@tanstack/react-query'
import { getInstanceByDom, type ECharts } from 'echarts/core'
import { useEffect, useMemo, useState } from 'react'
import { Link } from 'react-router-dom'
import { exemplars, type Exemplar } from '../backends/prometheus'
import { clock, duration } from '../time'

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

  useEffect(() => {
    let chart: ECharts | undefined
    const place = () => {
      const canvas = chart?.getDom()
      if (!chart || !canvas) return
      const offset = canvas.getBoundingClientRect()
      const origin = chartIn.getBoundingClientRect()
      const grid = (chart as unknown as { getModel(): { getComponent(name: string): { coordinateSystem: { getRect(): DOMRect } } | undefined } })
        .getModel()
        .getComponent('grid')
        ?.coordinateSystem?.getRect()
      if (!grid) return setPoints([])
      setPoints(
        some.flatMap((exemplar) => {
          const at = chart!.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [exemplar.time, rowOf ? rowOf(exemplar.value) : exemplar.value]) as number[] | undefined
          if (!at || at.some(Number.isNaN) || at[0]! < grid.x || at[0]! > grid.x + grid.width) return []
          // One above the axis is shown at its upper end.
          const top = Math.min(Math.max(at[1]!, grid.y), grid.y + grid.height)
          return { exemplar, left: at[0]! + offset.left - origin.left, top: top + offset.top - origin.top }
        }),
      )
    }
    const attach = () => {
      const element = chartIn.querySelector<HTMLElement>('[_echarts_instance_]')
      const found = element ? getInstanceByDom(element) : undefined
      if (found === chart) return
      chart?.isDisposed() || chart?.off('finished', place)
      chart = found
      chart?.on('finished', place)
      place()
    }
    attach()
    const timer = setInterval(attach, 500)
    return () => {
      clearInterval(timer)
      if (chart && !chart.isDisposed()) chart.off('finished', place)
    }
  }, [some, chartIn, rowOf])

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
