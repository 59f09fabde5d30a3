import { Alert, Link as Anchor } from '@mui/material'
import { useQuery } from '@tanstack/react-query'
import { read } from '../backends/request'
import type { Trace } from '../backends/traces'

/** What `throughline doctor` finds in a trace. */
interface Finding {
  kind: string
  spanId: string
  service: string
  boundary?: string
  message: string
  cause: string
  page: string
}

const settled = 30_000 // after a trace's end; until then spans may still come

export function Findings({ trace, onSelect }: { trace: Trace; onSelect: (span: string) => void }) {
  const { data, error } = useQuery<Finding[], Error>({
    queryKey: ['doctor', trace.id],
    queryFn: ({ signal }) => read(`/api/doctor/${trace.id}`, 'the console', { signal }),
    keepPreviousData: false,
    refetchInterval: (found) => (found?.length && Date.now() - Number(trace.end / 1000000n) < settled ? 3000 : false),
  })
  if (error)
    return (
      <Alert severity="warning" sx={{ borderRadius: 0 }} data-findings="error">
        Whether the trace is broken is not known: {error.message}
      </Alert>
    )
  if (!data) return null
  if (!data.length)
    return (
      <Alert severity="success" sx={{ borderRadius: 0, py: 0 }} data-findings={0}>
        No findings: the doctor sees nothing wrong with this trace.
      </Alert>
    )
  return (
    <Alert severity="warning" sx={{ borderRadius: 0, maxHeight: 160, overflow: 'auto' }} data-findings={data.length}>
      {data.map(({ kind, spanId, service, boundary, message, cause, page }, i) => (
        <div key={i} data-finding={kind}>
          <b>{kind}</b> at {boundary ?? service}:{' '}
          <Anchor component="button" variant="body2" sx={{ verticalAlign: 'baseline' }} onClick={() => onSelect(spanId)}>
            {message}
          </Anchor>
          . Usual cause: {cause}. See{' '}
          <Anchor href={`/${page}`} target="_blank">
            {page}
          </Anchor>
          .
        </div>
      ))}
    </Alert>
  )
}
