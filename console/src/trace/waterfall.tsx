import { Box, Stack, Tooltip } from '@mui/material'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import type { LogLine as StoredLine } from '../backends/loki'
import { groupBy, type Span, type Trace } from '../backends/traces'
import { LogLine } from '../panels/log-lines'
import { duration } from '../time'
import { criticalPath, queueTimes, type Segment } from './analysis'
import { colorOf } from './colors'

const kinds: Record<Span['kind'], string> = { SERVER: 'server', CLIENT: 'client', PRODUCER: 'producer', CONSUMER: 'consumer', INTERNAL: '', UNSPECIFIED: '' }
const rowHeight = 30

interface Props {
  trace: Trace
  height: number
  selected?: string
  onSelect?: (span: string) => void
  /** Lines of log by the id of their span. */
  logs?: Map<string, StoredLine[]>
  /** A word on a span, such as what differs. */
  notes?: Map<string, string>
}

type Row = { span: Span; line?: StoredLine }

export const hatched = 'repeating-linear-gradient(135deg, #8a8f98 0 2px, transparent 2px 6px)'

export function Waterfall({ trace, height, selected, onSelect, logs, notes }: Props) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set())
  const scroller = useRef<HTMLDivElement>(null)
  const critical = useMemo(() => groupBy(criticalPath(trace), ({ span }) => span?.id), [trace])
  const queues = useMemo(() => queueTimes(trace), [trace])
  const parents = useMemo(() => new Set(trace.spans.map(({ parentId }) => parentId)), [trace])
  const visible = useMemo(() => {
    let hiddenBelow = Infinity
    return trace.spans.filter(({ id, depth }) => {
      if (depth > hiddenBelow) return false
      hiddenBelow = closed.has(id) ? depth : Infinity
      return true
    })
  }, [trace, closed])
  const rows = useMemo(
    () => visible.flatMap((span): Row[] => [{ span }, ...(logs?.get(span.id) ?? []).map((line) => ({ span, line }))]),
    [visible, logs],
  )
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index]?.line ? 24 : rowHeight),
    getItemKey: (index) => `${rows[index]!.span.id}${rows[index]!.line?.time ?? ''}${rows[index]!.line?.line ?? ''}`,
    overscan: 20,
  })

  useEffect(() => {
    const index = rows.findIndex(({ span }) => span.id === selected)
    if (index >= 0) list.scrollToIndex(index, { align: 'auto' })
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only a choice scrolls
  }, [selected, trace, height > 0])

  const onKeyDown = (event: KeyboardEvent) => {
    const at = visible.findIndex(({ id }) => id === selected)
    const span = visible[at]
    const go = (to: Span | undefined) => to && onSelect?.(to.id)
    const toggle = (close: boolean) => span && setClosed((before) => (close ? new Set(before).add(span.id) : new Set([...before].filter((id) => id !== span.id))))
    const moves: Record<string, () => unknown> = {
      ArrowDown: () => go(visible[at + 1]),
      ArrowUp: () => go(visible[Math.max(0, at - 1)]),
      Home: () => go(visible[0]),
      End: () => go(visible.at(-1)),
      ArrowLeft: () => (span && parents.has(span.id) && !closed.has(span.id) ? toggle(true) : go(visible.find(({ id }) => id === span?.parentId))),
      ArrowRight: () => (span && closed.has(span.id) ? toggle(false) : go(visible[at + 1])),
    }
    const move = moves[event.key]
    if (!move) return
    event.preventDefault()
    move()
  }

  const total = Number(trace.end - trace.start) || 1
  const share = (time: bigint) => (Number(time - trace.start) / total) * 100
  return (
    <Box display="flex" flexDirection="column" height={height} minHeight={0} data-waterfall>
      <Stack direction="row" sx={{ pr: '16px', borderBottom: 1, borderColor: 'divider', color: 'text.secondary', fontSize: 12, lineHeight: '22px' }}>
        <Stack direction="row" alignItems="center" gap={0.75} sx={{ width: '42%', px: 1 }}>
          <Box flex={1}>Span</Box>
          <Box sx={{ width: 18, height: 3, bgcolor: 'text.primary' }} /> critical path
          <Box sx={{ width: 18, height: 10, ml: 1 }} style={{ background: hatched }} /> in a queue
        </Stack>
        <Box sx={{ flex: 1, display: 'flex', justifyContent: 'space-between' }}>
          {[0, 0.25, 0.5, 0.75, 1].map((part) => (
            <span key={part}>{duration((total * part) / 1000)}</span>
          ))}
        </Box>
      </Stack>
      <Box
        ref={scroller}
        role="tree"
        aria-label="Spans"
        aria-activedescendant={selected && `span-${selected}`}
        tabIndex={0}
        onKeyDown={onKeyDown}
        sx={{ flex: 1, minHeight: 0, overflowY: 'auto', overflowX: 'hidden', scrollbarGutter: 'stable', '&:focus-visible': { outline: 2, outlineColor: 'primary.main', outlineOffset: -2 } }}
      >
        <Box position="relative" style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map(({ key, index, start }) => {
            const { span, line } = rows[index]!
            const note = notes?.get(span.id)
            const failed = span.status === 'ERROR'
            const wait = queues.get(span.id)
            return (
              <Box key={key} ref={list.measureElement} data-index={index} sx={{ position: 'absolute', insetInline: 0, top: 0 }} style={{ transform: `translateY(${start}px)` }}>
                {line ? (
                  <Box sx={{ ml: `${span.depth * 14 + 30}px`, bgcolor: 'action.hover' }} data-span-log={span.id}>
                    <LogLine line={{ ...line, time: Number(BigInt(line.time) / 1000n) / 1000 }} traceLink={false} />
                  </Box>
                ) : (
                  <Stack
                    direction="row"
                    id={`span-${span.id}`}
                    role="treeitem"
                    aria-level={span.depth + 1}
                    aria-selected={span.id === selected}
                    aria-expanded={parents.has(span.id) ? !closed.has(span.id) : undefined}
                    data-span={span.id}
                    onClick={() => onSelect?.(span.id)}
                    alignItems="center"
                    sx={{
                      height: rowHeight,
                      cursor: onSelect && 'pointer',
                      fontSize: 13,
                      borderBottom: 1,
                      borderColor: 'divider',
                      bgcolor: span.id === selected ? 'action.selected' : note ? 'warning.main' : undefined,
                      '&:hover': { bgcolor: 'action.hover' },
                    }}
                  >
                    <Stack direction="row" alignItems="center" gap={0.5} sx={{ width: '42%', minWidth: 0, pr: 1 }} style={{ paddingLeft: span.depth * 14 }}>
                      <Box
                        sx={{ width: 16, textAlign: 'center', color: 'text.secondary', cursor: 'pointer' }}
                        onClick={(event) => {
                          event.stopPropagation()
                          setClosed((before) => (before.has(span.id) ? new Set([...before].filter((id) => id !== span.id)) : new Set(before).add(span.id)))
                        }}
                      >
                        {parents.has(span.id) ? (closed.has(span.id) ? '▸' : '▾') : ''}
                      </Box>
                      <Box sx={{ width: 4, alignSelf: 'stretch', my: 0.5, borderRadius: 1, flexShrink: 0 }} style={{ background: colorOf(span.service) }} />
                      <Box sx={{ whiteSpace: 'nowrap', color: 'text.secondary' }}>{span.service}</Box>
                      <Tooltip title={note ? `${span.name}: ${note}` : span.name} enterDelay={600}>
                        <Box sx={{ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', flex: 1, color: failed ? 'error.main' : undefined }}>
                          {failed && '⚠ '}
                          {span.orphan && '⤷ '}
                          {span.name}
                        </Box>
                      </Tooltip>
                      <Box sx={{ fontSize: 11, color: 'text.secondary' }}>{kinds[span.kind]}</Box>
                    </Stack>
                    <Box sx={{ flex: 1, position: 'relative', height: '100%', borderLeft: 1, borderColor: 'divider' }}>
                      {wait && <Queue wait={wait} share={share} />}
                      {critical.get(span.id)?.map(({ start, end }) => (
                        <Box
                          key={`${start}`}
                          data-critical={span.id}
                          sx={{ position: 'absolute', top: 24, height: 3, minWidth: '1px', bgcolor: 'text.primary' }}
                          style={{ left: `${share(start)}%`, width: `${share(end) - share(start)}%` }}
                        />
                      ))}
                      <Bar span={span} left={share(span.start)} width={share(span.end) - share(span.start)} failed={failed} wait={wait} from={wait && share(wait.start)} />
                      {span.events.map((event, i) => (
                        <Tooltip key={i} title={`${event.name} +${duration(Number(event.time - trace.start) / 1000)}`}>
                          <Box sx={{ position: 'absolute', top: 9, width: 2, height: 12, bgcolor: 'text.primary' }} style={{ left: `${share(event.time)}%` }} />
                        </Tooltip>
                      ))}
                    </Box>
                  </Stack>
                )}
              </Box>
            )
          })}
        </Box>
      </Box>
    </Box>
  )
}

/** The time that a message waited for the consumer of the row. */
function Queue({ wait, share }: { wait: Segment; share: (time: bigint) => number }) {
  return (
    <Tooltip title="Between the publish and this consumer">
      <Box
        data-queue={wait.queuedFor?.id}
        sx={{ position: 'absolute', top: 8, height: 14, minWidth: '1px', border: 1, borderColor: 'text.disabled' }}
        style={{ left: `${share(wait.start)}%`, width: `${share(wait.end) - share(wait.start)}%`, background: hatched }}
      />
    </Tooltip>
  )
}

interface BarProps {
  span: Span
  left: number
  width: number
  failed: boolean
  /** The time in the queue before it, and where that is drawn from. */
  wait?: Segment
  from?: number
}

function Bar({ span, left, width, failed, wait, from = left }: BarProps) {
  const micros = ({ start, end }: { start: bigint; end: bigint }) => duration(Number(end - start) / 1000)
  const label = wait ? `queue ${micros(wait)}, then ${micros(span)}` : micros(span)
  const inside = left + width > 85 && left < 15
  return (
    <>
      <Box
        sx={{ position: 'absolute', top: 8, height: 14, minWidth: 2, borderRadius: 0.5, outline: failed ? 2 : 0, outlineColor: 'error.main' }}
        style={{ left: `${left}%`, width: `${width}%`, background: colorOf(span.service) }}
      />
      <Box
        sx={{ position: 'absolute', top: 5, fontSize: 11, lineHeight: '20px', whiteSpace: 'nowrap', px: 0.5, color: inside ? '#fff' : 'text.secondary', bgcolor: from < 20 && from < left ? 'background.default' : undefined }}
        style={inside ? { left: `${left}%` } : left + width > 85 ? { right: `${100 - (from < 20 ? left : from)}%` } : { left: `${left + width}%` }}
      >
        {label}
      </Box>
    </>
  )
}
