import { Box, Table, TableBody, TableCell, TableHead, TableRow, Typography } from '@mui/material'
import { useMemo } from 'react'
import type { Span, Trace } from '../backends/traces'
import { duration } from '../time'
import { colorOf } from './colors'
import { pairs } from './pairs'

/** Two traces side by side, span by span: such as a slow login and a usual one. */
export function Compare({ trace, other }: { trace: Trace; other: Trace }) {
  const rows = useMemo(() => pairs(trace, other), [trace, other])
  const longest = Math.max(Number(trace.end - trace.start), Number(other.end - other.start)) || 1
  const length = (span: Span | undefined) => span && Number(span.end - span.start) / 1000
  const worst = Math.max(...rows.map(({ a, b }) => Math.abs((length(a) ?? 0) - (length(b) ?? 0))))
  const bar = (span: Span | undefined, of: Trace, top: number, opacity: number) =>
    span && (
      <Box
        sx={{ position: 'absolute', top, height: 9, minWidth: 2, borderRadius: 0.5, opacity }}
        style={{ left: `${(Number(span.start - of.start) / longest) * 100}%`, width: `${(Number(span.end - span.start) / longest) * 100}%`, background: colorOf(span.service) }}
      />
    )
  return (
    <Box data-compare sx={{ flex: 1, overflow: 'auto' }}>
      <Table size="small" stickyHeader>
        <TableHead>
          <TableRow>
            <TableCell>Span</TableCell>
            <TableCell sx={{ width: '38%' }}>This trace above, the other below</TableCell>
            <TableCell align="right">This</TableCell>
            <TableCell align="right">Other</TableCell>
            <TableCell align="right">Difference</TableCell>
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.map(({ key, depth, a, b }) => {
            const span = (a ?? b)!
            const [mine, others] = [length(a), length(b)]
            const difference = (mine ?? 0) - (others ?? 0)
            return (
              <TableRow key={key} hover>
                <TableCell style={{ paddingLeft: 16 + depth * 14 }}>
                  {span.service} <b>{span.name}</b>
                  {[a, b].some((one) => one?.status === 'ERROR') && (
                    <Typography component="span" color="error.main" fontSize={12}>
                      {' '}
                      failed {a?.status !== 'ERROR' ? 'in the other' : b?.status !== 'ERROR' ? 'in this' : 'in both'}
                    </Typography>
                  )}
                </TableCell>
                <TableCell sx={{ position: 'relative' }}>
                  <Box sx={{ position: 'relative', height: 20 }}>
                    {bar(a, trace, 0, 1)}
                    {bar(b, other, 11, 0.45)}
                  </Box>
                </TableCell>
                <TableCell align="right">{mine === undefined ? 'none' : duration(mine)}</TableCell>
                <TableCell align="right">{others === undefined ? 'none' : duration(others)}</TableCell>
                <TableCell align="right" sx={{ fontWeight: Math.abs(difference) > worst / 2 ? 700 : undefined, color: difference > worst / 2 ? 'error.main' : difference < -worst / 2 ? 'success.main' : undefined }}>
                  {difference < 0 ? '−' : '+'}
                  {duration(Math.abs(difference))}
                </TableCell>
              </TableRow>
            )
          })}
        </TableBody>
      </Table>
    </Box>
  )
}
