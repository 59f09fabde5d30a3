import { Box, Link as Anchor } from '@mui/material'
import type { TraceData } from '@perses-dev/core'
import type { PanelProps } from '@perses-dev/plugin-system'
import { useMemo } from 'react'
import { Link, useSearchParams } from 'react-router-dom'
import { parseTrace, type Otlp, type TraceStore } from '../backends/traces'
import type { DataLink } from '../dashboards/grafana'
import { link } from '../dashboards/variables'
import { Waterfall } from '../trace/waterfall'
import { TraceList } from '../trace/trace-list'
import { panelPlugin } from './panel-plugin'

function Table({ spec, queryResults }: PanelProps<{ link?: DataLink }, TraceData>) {
  const [parameters] = useSearchParams()
  const range = new URLSearchParams([...parameters].filter(([name]) => name === 'from' || name === 'to')).toString()
  const found = queryResults.flatMap(({ data }) => data.searchResult ?? [])
  const more = spec.link
  return (
    <Box height="100%" overflow="auto">
      <TraceList
        traces={found.map((trace) => ({
          traceId: trace.traceId,
          service: trace.rootServiceName,
          name: trace.rootTraceName,
          start: trace.startTimeUnixMs,
          duration: trace.durationMs,
          services: Object.keys(trace.serviceStats),
        }))}
        extra={
          more &&
          ((id) => (
            <Anchor component={Link} to={link(more.url, { '__value.raw': id, __url_time_range: range })} title={more.title} data-link={more.title}>
              + logs
            </Anchor>
          ))
        }
      />
    </Box>
  )
}

function Panel({ spec, contentDimensions, queryResults }: PanelProps<{ store: TraceStore }, TraceData>) {
  const otlp = queryResults[0]?.data.trace as Otlp | undefined
  const trace = useMemo(() => otlp && parseTrace(otlp), [otlp])
  if (!trace) return null
  return (
    <Box height="100%" display="flex" flexDirection="column">
      <Anchor component={Link} to={`/trace/${trace.id}?from=${spec.store}`} sx={{ px: 2, fontSize: 13 }} data-trace-link>
        Open with attributes and logs
      </Anchor>
      <Waterfall trace={trace} height={(contentDimensions?.height ?? 0) - 24} />
    </Box>
  )
}

export const TraceTable = panelPlugin(Table, 'TraceQuery')
export const TraceWaterfall = panelPlugin(Panel, 'TraceQuery')
