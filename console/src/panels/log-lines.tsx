import { Box, Link as Anchor, Stack } from '@mui/material'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef, useState } from 'react'
import { Link } from 'react-router-dom'
import { clock } from '../time'

export interface Line {
  time: number
  line: string
  labels: Record<string, string>
}

const colors: Record<string, string> = { error: 'error.main', fatal: 'error.main', critical: 'error.main', warn: 'warning.main', info: 'info.main', debug: 'text.disabled' }

export const levelOf = ({ labels }: Pick<Line, 'labels'>) => labels.detected_level ?? labels.severity_text?.toLowerCase() ?? 'unknown'

/** One line of log; opened, all its fields. */
export function LogLine({ line, traceLink = true }: { line: Line; traceLink?: boolean }) {
  const [open, setOpen] = useState(false)
  const level = levelOf(line)
  const { trace_id: trace, span_id: span, service_name: service } = line.labels
  return (
    <Box data-log-line sx={{ borderLeft: 3, borderColor: colors[level] ?? 'divider', pl: 1, py: 0.25, fontFamily: 'monospace', fontSize: 12.5, lineHeight: 1.5 }}>
      <Stack direction="row" gap={1} alignItems="baseline">
        <Box
          component="button"
          onClick={() => setOpen(!open)}
          aria-expanded={open}
          aria-label="Fields of this line"
          sx={{ all: 'unset', cursor: 'pointer', color: 'text.secondary', whiteSpace: 'nowrap', '&:focus-visible': { outline: 2 } }}
        >
          {open ? '▾' : '▸'} {clock(line.time)}
        </Box>
        <Box sx={{ color: colors[level] ?? 'text.secondary', minWidth: 40 }}>{level}</Box>
        <Box sx={{ color: 'text.secondary', whiteSpace: 'nowrap' }}>{service}</Box>
        <Box sx={{ flex: 1, overflowWrap: 'anywhere' }}>{line.line}</Box>
        {traceLink && trace && (
          <Anchor component={Link} to={`/trace/${trace}${span ? `?span=${span}` : ''}`} title={trace} data-trace-link>
            trace
          </Anchor>
        )}
      </Stack>
      {open && (
        <Box component="dl" sx={{ display: 'grid', gridTemplateColumns: 'max-content 1fr', columnGap: 2, m: 0, py: 0.5, pl: 2, color: 'text.secondary' }}>
          {Object.entries(line.labels)
            .sort()
            .map(([name, value]) => [
              <Box component="dt" key={name}>
                {name}
              </Box>,
              <Box component="dd" key={`${name}=`} sx={{ m: 0, overflowWrap: 'anywhere', color: 'text.primary' }}>
                {value}
              </Box>,
            ])}
        </Box>
      )}
    </Box>
  )
}

export function LogLines({ lines, height }: { lines: Line[]; height: number }) {
  const scroller = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 24, overscan: 20 })
  return (
    <Box ref={scroller} tabIndex={0} aria-label="Log lines" sx={{ height, overflow: 'auto', px: 1 }}>
      <Box position="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ key, index, start }) => (
          <Box key={key} ref={rows.measureElement} data-index={index} sx={{ position: 'absolute', insetInline: 0, top: 0 }} style={{ transform: `translateY(${start}px)` }}>
            <LogLine line={lines[index]!} />
          </Box>
        ))}
      </Box>
    </Box>
  )
}
