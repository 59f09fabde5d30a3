import { Box, Table, TableBody, TableCell, TableHead, TableRow, Typography } from '@mui/material'
import { useMemo } from 'react'
import type { Span, Trace } from '../backends/traces'
import { duration } from '../time'
import { criticalPath, selfTimes } from './analysis'
import { colorOf } from './colors'
import { hatched } from './waterfall'

const shown = 6

/** What the time of a trace went into: the parts of its critical path, the largest first. */
export function Spent({ trace, onSelect }: { trace: Trace; onSelect: (span: string) => void }) {
  const parts = useMemo(() => {
    const sums = new Map<string, { span?: Span; queuedFor?: Span; time: bigint }>()
    for (const { span, queuedFor, start, end } of criticalPath(trace)) {
      const key = span?.id ?? `before ${queuedFor?.id}`
      sums.set(key, { span, queuedFor, time: (sums.get(key)?.time ?? 0n) + end - start })
    }
    return [...sums.values()].sort((a, b) => Number(b.time - a.time))
  }, [trace])
  const self = useMemo(() => selfTimes(trace), [trace])
  const total = Number(trace.end - trace.start) || 1
  const micros = (time: bigint) => duration(Number(time) / 1000)
  return (
    <Box component="section" data-spent sx={{ borderTop: 1, borderColor: 'divider', overflow: 'auto', maxHeight: '34vh', px: 1 }}>
      <Typography component="h2" sx={{ fontSize: 14, fontWeight: 600, pt: 1 }}>
        Where the {duration(total / 1000)} went: the critical path, from the first begin to the last end
      </Typography>
      <Table size="small">
        <TableHead>
          <TableRow>
            <TableCell>Span</TableCell>
            <TableCell sx={{ width: '34%' }}>On the critical path</TableCell>
            <TableCell align="right">Self time</TableCell>
            <TableCell align="right">Duration</TableCell>
          </TableRow>
        </TableHead>
        <TableBody>
          {parts.slice(0, shown).map(({ span, queuedFor, time }) => {
            const share = (Number(time) / total) * 100
            const to = span ?? queuedFor
            return (
              <TableRow key={span?.id ?? `before ${queuedFor?.id}`} hover onClick={to && (() => onSelect(to.id))} sx={{ cursor: to && 'pointer' }}>
                <TableCell>
                  {span ? (
                    <>
                      {span.service} <b>{span.name}</b>
                    </>
                  ) : queuedFor ? (
                    <>
                      in the queue, before {queuedFor.service} <b>{queuedFor.name}</b>
                    </>
                  ) : (
                    'no span runs'
                  )}
                </TableCell>
                <TableCell>
                  <Box position="relative">
                    <Box
                      sx={{ position: 'absolute', insetBlock: 0, left: 0, opacity: 0.35, borderRadius: 0.5 }}
                      style={{ width: `${share}%`, background: span ? colorOf(span.service) : hatched }}
                    />
                    {micros(time)}, {share.toFixed(share < 10 ? 1 : 0)} %
                  </Box>
                </TableCell>
                <TableCell align="right">{span && micros(self.get(span.id)!)}</TableCell>
                <TableCell align="right">{span && micros(span.end - span.start)}</TableCell>
              </TableRow>
            )
          })}
        </TableBody>
      </Table>
      {parts.length > shown && (
        <Typography variant="caption" color="text.secondary">
          and {micros(parts.slice(shown).reduce((sum, { time }) => sum + time, 0n))} in {parts.length - shown} more
        </Typography>
      )}
    </Box>
  )
}
