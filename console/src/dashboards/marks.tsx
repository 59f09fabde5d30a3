import { Alert, Box } from '@mui/material'
import { useTimeRange } from '@perses-dev/plugin-system'
import { useQueries } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from 'react'
import { logs } from '../backends/loki'
import { clock } from '../time'
import type { Dashboard } from './grafana'
import { markOf, type Mark } from './mark'
import { useChart, type Drawn } from './use-chart'

const Marks = createContext<Mark[]>([])

/** Reads the marks of a dashboard once, for all its panels. */
export function MarksOf({ dashboard, children }: { dashboard: Dashboard; children: ReactNode }) {
  const { absoluteTimeRange } = useTimeRange()
  const { start, end } = absoluteTimeRange
  const annotations = dashboard.annotations?.list.filter(({ enable }) => enable) ?? []
  const results = useQueries({
    queries: annotations.map((annotation) => ({
      queryKey: ['marks', annotation.expr, start.getTime(), end.getTime()],
      queryFn: async () => (await logs(annotation.expr, start, end)).map((line) => markOf(annotation, line)),
    })),
  })
  const key = results.map(({ dataUpdatedAt }) => dataUpdatedAt).join()
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for the results
  const marks = useMemo(() => results.flatMap(({ data }) => data ?? []), [key])
  return (
    <Marks.Provider value={marks}>
      {results.map(
        ({ error }, i) =>
          !!error && (
            <Alert key={i} severity="error">
              The marks of {annotations[i]!.name} cannot be read: {(error as Error).message}
            </Alert>
          ),
      )}
      {children}
    </Marks.Provider>
  )
}

/** The marks as lines over a chart. */
export function MarkLines({ chartIn }: { chartIn: HTMLElement }) {
  const marks = useContext(Marks)
  const [lines, setLines] = useState<{ mark: Mark; left: number; top: number; height: number }[]>([])
  const place = useCallback(
    (drawn?: Drawn) =>
      setLines((before) => {
        if (!drawn || !marks.length) return before.length ? [] : before
        const { chart, grid, left, top } = drawn
        return marks.flatMap((mark) => {
          const x = chart.convertToPixel({ xAxisIndex: 0 }, mark.time)
          if (Number.isNaN(x) || x < grid.x || x > grid.x + grid.width) return []
          return { mark, left: x + left, top: grid.y + top, height: grid.height }
        })
      }),
    [marks],
  )
  useChart(chartIn, place)
  return (
    <>
      {lines.map(({ mark, left, top, height }) => (
        <Box
          key={`${mark.time}${mark.title}`}
          tabIndex={0}
          role="img"
          aria-label={`${mark.title} at ${clock(mark.time)}`}
          title={`${clock(mark.time)} ${mark.title}\n${mark.text}`}
          data-mark={mark.title}
          // Wider than its line, so that a pointer meets it.
          sx={{
            position: 'absolute',
            width: 7,
            ml: '-3.5px',
            zIndex: 1,
            color: mark.color ?? 'error.main',
            '&::before': { content: '""', position: 'absolute', insetBlock: 0, left: '3px', borderLeft: '1px dashed' },
            '&::after': { content: '""', position: 'absolute', bottom: '-5px', left: 0, border: '3.5px solid transparent', borderTop: 0, borderBottom: '5px solid' },
          }}
          style={{ left, top, height }}
        />
      ))}
    </>
  )
}
