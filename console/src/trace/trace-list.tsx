import { Box, Link as Anchor, Table, TableBody, TableCell, TableHead, TableRow, TableSortLabel } from '@mui/material'
import type { ReactNode } from 'react'
import { Link } from 'react-router-dom'
import type { TraceSummary } from '../backends/traces'
import { found, local } from '../time'
import { colorOf } from './colors'

type Row = Omit<TraceSummary, 'spans' | 'errors'> & { spans?: number; errors?: number }

type Sort = 'time' | 'duration'

interface Props {
  /** The newest first. */
  traces: Row[]
  extra?: (id: string) => ReactNode
  store?: string
  sort?: Sort
  onSort?: (sort: Sort) => void
}

export function TraceList({ traces: newestFirst, extra, store, sort = 'time', onSort }: Props) {
  const traces = sort === 'time' ? newestFirst : newestFirst.toSorted((a, b) => b.duration - a.duration)
  const heading = (by: Sort, label: string) =>
    onSort ? (
      <TableSortLabel active={sort === by} direction="desc" onClick={() => onSort(by)}>
        {label}
      </TableSortLabel>
    ) : (
      label
    )
  const longest = Math.max(...traces.map((trace) => trace.duration), 0.001)
  const counted = traces.some(({ spans }) => spans !== undefined)
  return (
    <Table size="small" stickyHeader data-traces>
      <TableHead>
        <TableRow>
          <TableCell>Trace</TableCell>
          <TableCell sortDirection={onSort && sort === 'time' && 'desc'}>{heading('time', 'Start')}</TableCell>
          <TableCell>Root</TableCell>
          <TableCell>Services</TableCell>
          {counted && <TableCell align="right">Spans</TableCell>}
          <TableCell sortDirection={onSort && sort === 'duration' && 'desc'} sx={{ minWidth: 140 }}>
            {heading('duration', 'Duration')}
          </TableCell>
        </TableRow>
      </TableHead>
      <TableBody>
        {traces.map((trace) => (
          <TableRow key={trace.traceId} hover>
            <TableCell sx={{ whiteSpace: 'nowrap' }}>
              <Anchor
                component={Link}
                to={`/trace/${trace.traceId}${store ? `?from=${store}` : ''}`}
                fontFamily="monospace"
                title={trace.traceId}
                data-trace-link
              >
                {trace.traceId.slice(0, 12)}…
              </Anchor>{' '}
              {extra?.(trace.traceId)}
            </TableCell>
            <TableCell sx={{ whiteSpace: 'nowrap' }}>{local(new Date(trace.start))}</TableCell>
            <TableCell>
              {trace.service} <b>{trace.name}</b>
            </TableCell>
            <TableCell sx={{ whiteSpace: 'nowrap' }}>
              {trace.services.map((service) => (
                <Box key={service} component="span" title={service} sx={{ borderLeft: 4, borderColor: colorOf(service), pl: 0.5, mr: 1, fontSize: 12 }}>
                  {counted ? service : ''}
                </Box>
              ))}
            </TableCell>
            {counted && (
              <TableCell align="right">
                {trace.spans}
                {!!trace.errors && (
                  <Box component="span" color="error.main">
                    , {trace.errors} failed
                  </Box>
                )}
              </TableCell>
            )}
            <TableCell>
              <Box position="relative">
                <Box sx={{ position: 'absolute', insetBlock: 0, left: 0, bgcolor: 'primary.main', opacity: 0.2, borderRadius: 0.5 }} style={{ width: `${(trace.duration / longest) * 100}%` }} />
                {found(trace.duration)}
              </Box>
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  )
}
