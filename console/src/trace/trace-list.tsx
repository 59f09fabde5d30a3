import { Box, Link as Anchor, Table, TableBody, TableCell, TableHead, TableRow } from '@mui/material'
import type { ReactNode } from 'react'
import { Link } from 'react-router-dom'
import type { TraceSummary } from '../backends/traces'
import { duration, local } from '../time'
import { colorOf } from './colors'

type Row = Omit<TraceSummary, 'spans' | 'errors'> & { spans?: number; errors?: number }

export function TraceList({ traces, extra, store }: { traces: Row[]; extra?: (id: string) => ReactNode; store?: string }) {
  const longest = Math.max(...traces.map((trace) => trace.duration), 0.001)
  const counted = traces.some(({ spans }) => spans !== undefined)
  return (
    <Table size="small" stickyHeader data-traces>
      <TableHead>
        <TableRow>
          <TableCell>Trace</TableCell>
          <TableCell>Start</TableCell>
          <TableCell>Root</TableCell>
          <TableCell>Services</TableCell>
          {counted && <TableCell align="right">Spans</TableCell>}
          <TableCell sx={{ minWidth: 140 }}>Duration</TableCell>
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
                {duration(trace.duration * 1000)}
              </Box>
            </TableCell>
          </TableRow>
        ))}
      </TableBody>
    </Table>
  )
}
