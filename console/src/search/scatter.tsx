import { Box } from '@mui/material'
import { Link } from 'react-router-dom'
import type { TraceSummary } from '../backends/traces'
import { clock, duration, found } from '../time'
import { useSize } from '../use-size'

const height = 140
const margin = { left: 64, right: 12, top: 10, bottom: 20 }

/** Each trace by its start and its duration, the duration on a logarithmic axis. */
export function Scatter({ traces, store, from, to }: { traces: TraceSummary[]; store: string; from: number; to: number }) {
  const { ref, width } = useSize<HTMLDivElement>()
  const times = traces.map(({ start }) => start)
  const [first, last] = [Math.max(from, Math.min(...times) - 1000), Math.min(to, Math.max(...times) + 1000)]
  const logs = traces.map((trace) => Math.log10(trace.duration || 0.5))
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs) + 0.001)]
  const x = (time: number) => margin.left + ((time - first) / (last - first || 1)) * (width - margin.left - margin.right)
  const y = (log: number) => height - margin.bottom - ((log - low) / (high - low || 1)) * (height - margin.top - margin.bottom)
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i)
  return (
    <Box ref={ref} my={1}>
      <Box component="svg" width={width} height={height} role="img" aria-label="Durations over time" sx={{ display: 'block', color: 'text.secondary', fontSize: 11, '& a:focus-visible circle': { stroke: 'currentColor', strokeWidth: 2 } }}>
        {powers.map((power) => (
          <g key={power}>
            <line x1={margin.left} x2={width - margin.right} y1={y(power)} y2={y(power)} stroke="currentColor" opacity={0.2} />
            <text x={margin.left - 8} y={y(power) + 4} textAnchor="end" fill="currentColor">
              {duration(10 ** power * 1000)}
            </text>
          </g>
        ))}
        {[first, last].map((time, i) => (
          <text key={i} x={x(time)} y={height - 4} textAnchor={i ? 'end' : 'start'} fill="currentColor">
            {clock(time).slice(0, 8)}
          </text>
        ))}
        {traces.map((trace, i) => (
          <Link key={trace.traceId} to={`/trace/${trace.traceId}?from=${store}`} aria-label={`Trace ${trace.traceId}`}>
            <circle cx={x(trace.start)} cy={y(logs[i]!)} r={5} fill={trace.errors ? '#d93636' : '#1473e6'} opacity={0.75}>
              <title>{`${trace.service} ${trace.name}\n${found(trace.duration)}`}</title>
            </circle>
          </Link>
        ))}
      </Box>
    </Box>
  )
}
