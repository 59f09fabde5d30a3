import { Alert, Box, IconButton, Link as Anchor, Menu, MenuItem, Paper, Skeleton, Stack, Tooltip, Typography } from '@mui/material'
import { ErrorBoundary } from '@perses-dev/components'
import type { LogData, TimeSeriesData, TraceData } from '@perses-dev/core'
import { DataQueriesProvider, useDataQueriesContext, usePlugin, useSuggestedStepMs, type QueryData } from '@perses-dev/plugin-system'
import { memo, useEffect, useMemo, useState, type ReactNode } from 'react'
import { Link, useSearchParams } from 'react-router-dom'
import { rowOf, rowsOf } from '../panels/buckets'
import { useSize } from '../use-size'
import { convert, type Converted } from './convert'
import { Exemplars } from './exemplars'
import type { Panel } from './grafana'
import { MarkLines } from './marks'
import { interpolate, link, type Choices } from './variables'

/** A panel of a dashboard. It asks its stores when it comes near the window, and not before. */
export const DashboardPanel = memo(function DashboardPanel({ panel, choices }: { panel: Panel; choices: Choices }) {
  const converted = useMemo(() => convert(panel), [panel])
  const { ref, element, width, height } = useSize<HTMLDivElement>()
  const near = useNear(element)
  const missing = converted.missing.length > 0
  const asks = near && width > 0 && !missing && !Object.values(choices).some(({ pending }) => pending)
  const queries = useMemo(() => (asks ? converted.queries((query) => interpolate(query, choices)) : []), [asks, converted, choices])
  const suggestedStepMs = useSuggestedStepMs(width || 600)
  const { x, y, w, h } = panel.gridPos
  return (
    <Box style={{ gridColumn: `${x + 1} / span ${w}`, gridRow: `${y + 1} / span ${h}` }} sx={{ minWidth: 0 }}>
      {missing ? (
        <Frame panel={panel} converted={converted} state="error">
          <Alert severity="warning">This panel cannot be shown here: {converted.missing.join(', ')}.</Alert>
        </Frame>
      ) : (
        <DataQueriesProvider definitions={queries} options={{ suggestedStepMs, mode: converted.instant ? 'instant' : 'range' }}>
          <Body panel={panel} converted={converted} size={{ width, height }} choices={choices} asks={asks}>
            <Box ref={ref} sx={{ position: 'absolute', inset: 0 }} />
          </Body>
        </DataQueriesProvider>
      )}
    </Box>
  )
})

type Data = TimeSeriesData & TraceData & { logs?: LogData }
type State = 'loading' | 'ready' | 'empty' | 'error'

const isEmpty = ({ series, searchResult, trace, logs }: Data) =>
  !series?.some(({ values }) => values.some(([, value]) => value !== null)) && !searchResult?.length && !trace && !logs?.entries.length

interface BodyProps {
  panel: Panel
  converted: Converted
  size: { width: number; height: number }
  choices: Choices
  asks: boolean
  children: ReactNode
}

function Body({ panel, converted, size, choices, asks, children }: BodyProps) {
  const { queryResults } = useDataQueriesContext()
  const { data: plugin, error: pluginError } = usePlugin('Panel', converted.plugin.kind)
  const [content, setContent] = useState<HTMLElement | null>(null)
  const results = queryResults as QueryData<Data>[]
  const answered = useMemo(() => results.flatMap(({ data, definition }) => (data ? [{ data, definition }] : [])), [results])
  const error = (results.find(({ error }) => error)?.error ?? pluginError) as Error | null | undefined
  const loading = !asks || !plugin || answered.length < results.length
  const state: State = error ? 'error' : loading ? 'loading' : answered.every(({ data }) => isEmpty(data)) ? 'empty' : 'ready'
  const drawn = useMemo(() => (converted.plugin.kind === 'TimeSeriesChart' ? draw(converted, answered) : { spec: converted.plugin.spec, results: answered }), [converted, answered])
  const links = useLinks(converted, answered.map(({ data }) => data))
  const PanelComponent = plugin?.PanelComponent
  const rows = useMemo(() => (panel.type === 'heatmap' && answered[0] ? rowsOf(answered[0].data, converted.plugin.spec.limit as number | undefined) : undefined), [panel.type, converted, answered])
  const toRow = useMemo(() => rows && ((value: number) => rowOf(rows, value)), [rows])
  const exemplars = useMemo(() => converted.exemplars.map((query) => interpolate(query, choices)), [converted, choices])

  return (
    <Frame panel={panel} converted={converted} state={state} links={links}>
      {children}
      <Box ref={setContent} sx={{ position: 'absolute', inset: 0 }}>
        {state === 'error' ? (
          <Box p={1} height="100%" overflow="auto">
            <Alert severity="error">{error?.message}</Alert>
          </Box>
        ) : state === 'loading' ? (
          <Skeleton variant="rectangular" width="100%" height="100%" aria-label="Loading" />
        ) : state === 'empty' ? (
          <Empty panel={panel} converted={converted} />
        ) : (
          PanelComponent && (
            <ErrorBoundary fallbackRender={({ error }) => <Alert severity="error">{String(error?.message ?? error)}</Alert>} resetKeys={[answered]}>
              <PanelComponent
                spec={drawn.spec}
                contentDimensions={size}
                queryResults={drawn.results}
                definition={{ kind: 'Panel', spec: { display: { name: panel.title }, plugin: converted.plugin } }}
              />
            </ErrorBoundary>
          )
        )}
        {state === 'ready' && content && converted.hasTimeAxis && <MarkLines chartIn={content} />}
        {state === 'ready' && content && exemplars.length > 0 && <Exemplars queries={exemplars} chartIn={content} rowOf={toRow} />}
      </Box>
    </Frame>
  )
}

type Answer = { data: Data; definition: QueryData<Data>['definition'] }

/** A chart with the colours that its series are given, and an axis that neither makes much of nothing nor is stretched by a far limit. */
function draw({ plugin: { spec }, paints, softMax }: Converted, answered: Answer[]) {
  // Perses paints by query: each series becomes the result of one of its own.
  const results = answered.flatMap(({ data, definition }) => (data.series ?? []).map((series) => ({ definition, data: { ...data, series: [series] } as Data })))
  const querySettings = results.flatMap(({ data: { series } }, queryIndex) => {
    const paint = paints.find(({ matches }) => matches(series[0]!.formattedName ?? series[0]!.name))
    return paint ? { queryIndex, colorMode: 'fixed', colorValue: paint.color, lineStyle: paint.dashed ? 'dashed' : undefined } : []
  })
  let most = softMax ?? 0
  for (const { data } of results) for (const [, value] of data.series[0]!.values) if (value !== null && value > most) most = value
  const { yAxis, thresholds } = spec as { yAxis: { max?: number }; thresholds?: { steps: { value: number }[] } }
  return {
    results,
    spec: {
      ...spec,
      querySettings,
      yAxis: { ...yAxis, max: yAxis.max ?? (most === softMax ? softMax : undefined) },
      thresholds: thresholds && { ...thresholds, steps: thresholds.steps.filter(({ value }) => value <= most) },
    },
  }
}

function Empty({ panel, converted }: { panel: Panel; converted: Converted }) {
  const healthy = /^(Empty|Zero) is healthy/.test(panel.description ?? '')
  const hint = panel.type === 'traces' ? 'Enter a trace id, or choose a login above.' : 'No data in this time.'
  return (
    <Stack height="100%" alignItems="center" justifyContent="center" color={healthy ? 'success.main' : 'text.secondary'}>
      {converted.noValue ? <Box fontSize={panel.type === 'stat' ? 28 : undefined}>{converted.noValue}</Box> : hint}
    </Stack>
  )
}

interface Resolved {
  title: string
  to: string
}

/** Grafana's data links, once for each series that gives another address. */
function useLinks({ links }: Converted, answered: Data[]): Resolved[] {
  const [parameters] = useSearchParams()
  const range = new URLSearchParams([...parameters].filter(([name]) => name === 'from' || name === 'to')).toString()
  const found = new Map<string, string>()
  if (links.length > 0)
    for (const { labels = {} } of answered.flatMap(({ series }) => series ?? [{ labels: {} }]))
      for (const { title, url } of links) {
        const values: Record<string, string> = { __url_time_range: range }
        for (const [name, value] of Object.entries(labels)) values[`__field.labels.${name}`] = value
        const to = link(url, values)
        const named = title.replace(/\$\{([\w.]+)\}/g, (_, name: string) => values[name] ?? '')
        if (!to.includes('$')) found.set(to, named)
      }
  return [...found].map(([to, title]) => ({ to, title }))
}

function Frame(props: { panel: Panel; converted: Converted; state: State; links?: Resolved[]; children: ReactNode }) {
  const { panel, converted, state, links = [], children } = props
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  const help = panel.description
  return (
    <Paper
      component="section"
      variant="outlined"
      aria-label={panel.title}
      data-panel={panel.title}
      data-type={panel.type}
      data-state={state}
      sx={{ height: '100%', display: 'flex', flexDirection: 'column', overflow: 'hidden' }}
    >
      <Stack direction="row" alignItems="center" sx={{ px: 1.25, minHeight: 30 }} gap={0.5}>
        <Typography component="h3" noWrap sx={{ fontSize: 14, fontWeight: 600 }} title={panel.title}>
          {panel.title}
        </Typography>
        {converted.counted && (
          <Typography variant="caption" color="text.secondary">
            {converted.counted}
          </Typography>
        )}
        {help && (
          <Tooltip title={help}>
            <Box component="span" tabIndex={0} aria-label={help} sx={{ color: 'text.disabled', cursor: 'help', fontSize: 12, border: 1, borderRadius: '50%', width: 16, height: 16, lineHeight: '14px', textAlign: 'center', flexShrink: 0 }}>
              i
            </Box>
          </Tooltip>
        )}
        <Box flex={1} />
        {links.length === 1 && (
          <Anchor component={Link} to={links[0]!.to} title={links[0]!.title} aria-label={links[0]!.title} data-link={links[0]!.title} underline="none">
            ↗
          </Anchor>
        )}
        {links.length > 1 && (
          <>
            <IconButton size="small" color="primary" aria-label={`Links of ${panel.title}`} aria-haspopup="menu" data-links onClick={(event) => setAnchor(event.currentTarget)} sx={{ fontSize: 16, p: 0.25 }}>
              ↗
            </IconButton>
            <Menu open={!!anchor} anchorEl={anchor} onClose={() => setAnchor(null)}>
              {links.map(({ title, to }) => (
                <MenuItem key={to} component={Link} to={to} dense data-link={title}>
                  {title}
                </MenuItem>
              ))}
            </Menu>
          </>
        )}
      </Stack>
      {/* Two rows of a legend fit into what Perses gives it. */}
      <Box component="figure" sx={{ flex: 1, position: 'relative', m: 0, minHeight: 0, '& .MuiListItemButton-root': { py: 0, '& *': { my: 0, fontSize: 12, lineHeight: '19px' } } }}>
        {children}
      </Box>
    </Paper>
  )
}

function useNear(element: HTMLElement | null): boolean {
  const [near, setNear] = useState(false)
  useEffect(() => {
    if (!element || near) return
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && setNear(true), { rootMargin: '300px' })
    observer.observe(element)
    return () => observer.disconnect()
  }, [element, near])
  return near
}
