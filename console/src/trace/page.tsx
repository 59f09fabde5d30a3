import { Alert, AlertTitle, Box, Button, FormControlLabel, LinearProgress, Link as Anchor, Stack, Switch, TextField, ToggleButton, ToggleButtonGroup, Typography } from '@mui/material'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState, type ReactNode } from 'react'
import { Link, useParams } from 'react-router-dom'
import { logsOfTrace } from '../backends/loki'
import { BackendError } from '../backends/request'
import { cleanTraceId, fetchTrace, groupBy, searchTraces, storeNames, type Trace, type TraceStore } from '../backends/traces'
import { count, duration, local, useAddress, useTitle } from '../time'
import { Compare } from './compare'
import { Details } from './details'
import { differences } from './difference'
import { Findings } from './findings'
import { Spent } from './spent'
import { Waterfall } from './waterfall'
import { useSize } from '../use-size'

type View = TraceStore | 'difference'
const views: View[] = ['tempo', 'jaeger', 'difference']

export default function TracePage() {
  const { id: pasted = '' } = useParams()
  const id = cleanTraceId(pasted)
  useTitle(`Trace ${pasted.slice(0, 8)}`)
  if (!id)
    return (
      <Message title="This is no trace id">
        A trace id has 32 hexadecimal digits, such as 4bf92f3577b34da6a3ce929d0e0e4736; “{pasted}” has not. Each response of login-api names its
        trace in the header X-Trace-Id.
      </Message>
    )
  return <Found id={id} key={id} />
}

function useStored(store: TraceStore, id: string, enabled: boolean) {
  return useQuery<Trace, BackendError>({
    queryKey: ['trace', store, id],
    queryFn: ({ signal }) => fetchTrace(store, id, signal),
    enabled,
    keepPreviousData: false,
    staleTime: 30_000,
    structuralSharing: false,
  })
}

function Found({ id }: { id: string }) {
  const [parameters, change] = useAddress()
  const view = views.find((one) => one === parameters.get('from')) ?? 'tempo'
  const showLogs = parameters.get('logs') !== 'off'
  const compareWith = cleanTraceId(parameters.get('with') ?? '')
  const tempo = useStored('tempo', id, view !== 'jaeger')
  const jaeger = useStored('jaeger', id, view !== 'tempo')
  const asked = view === 'tempo' ? [tempo] : view === 'jaeger' ? [jaeger] : [tempo, jaeger]
  const compared = useMemo(() => (view === 'difference' && tempo.data && jaeger.data ? differences(tempo.data, jaeger.data) : undefined), [view, tempo.data, jaeger.data])
  const trace = view === 'difference' ? compared?.union : asked[0]!.data

  const logs = useQuery({
    queryKey: ['logsOfTrace', id, !!trace],
    queryFn: () => logsOfTrace(id, Number(trace!.start / 1000000n), Number(trace!.end / 1000000n)),
    enabled: !!trace,
    keepPreviousData: false,
  })
  const lines = useMemo(() => groupBy(logs.data ?? [], ({ labels }) => labels.span_id ?? ''), [logs.data])
  const notes = useMemo(() => new Map(compared?.differences.map(({ span, what }) => [span.id, what.join('; ')])), [compared])
  const { ref, height } = useSize<HTMLDivElement>()
  const selected = trace?.spans.find((span) => span.id === parameters.get('span'))
  const at = compared?.differences.findIndex(({ span }) => span.id === selected?.id) ?? -1
  const next = compared?.differences[(at + 1) % compared.differences.length]
  const failed = asked.find(({ error }) => error)

  return (
    <Box sx={{ height: 'calc(100vh - 49px)', display: 'flex', flexDirection: 'column' }} data-page="trace" data-state={failed ? 'error' : trace ? 'ready' : 'loading'}>
      <Stack direction="row" alignItems="center" gap={2} flexWrap="wrap" sx={{ px: 2, py: 1, borderBottom: 1, borderColor: 'divider' }}>
        <Box flex={1} minWidth={320}>
          <Typography variant="h1" sx={{ fontSize: 18, fontWeight: 600 }}>
            {trace ? `${trace.spans[0]!.service} ${trace.spans[0]!.name}` : 'Trace'}
          </Typography>
          <Typography variant="body2" color="text.secondary" data-summary>
            <Box component="code" sx={{ userSelect: 'all' }}>
              {id}
            </Box>
            {trace &&
              ` · ${local(new Date(Number(trace.start / 1000000n)))} · ${duration(Number(trace.end - trace.start) / 1000)} · ${count(trace.spans.length, 'span')} · ${count(trace.services.length, 'service')} · ${logs.data ? count(logs.data.length, 'log line') : '…'}`}
          </Typography>
        </Box>
        {trace && <CompareWith trace={trace} store={view === 'jaeger' ? 'jaeger' : 'tempo'} />}
        <FormControlLabel
          control={<Switch size="small" checked={showLogs} onChange={(_, on) => change({ logs: on ? undefined : 'off' })} />}
          label="Log lines"
        />
        <ToggleButtonGroup exclusive size="small" value={view} onChange={(_, value: View | null) => value && change({ from: value })} aria-label="Store">
          {views.map((value) => (
            <ToggleButton key={value} value={value} data-store={value}>
              {value === 'difference' ? 'Difference' : storeNames[value]}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
      </Stack>
      {failed ? (
        <Failure id={id} error={failed.error!} store={failed === tempo ? 'tempo' : 'jaeger'} retry={() => void failed.refetch()} />
      ) : !trace ? (
        <LinearProgress />
      ) : compareWith ? (
        <Compared trace={trace} id={compareWith} store={view === 'jaeger' ? 'jaeger' : 'tempo'} />
      ) : (
        <>
          {compared && (
            <Alert
              severity={next ? 'warning' : 'success'}
              data-difference={compared.differences.length}
              sx={{ borderRadius: 0 }}
              action={next && <Button onClick={() => change({ span: next.span.id })}>Next difference</Button>}
            >
              {next
                ? `Tempo and Jaeger differ in ${compared.differences.length} of ${count(trace.spans.length, 'span')}.`
                : `Jaeger and Tempo hold the same ${trace.spans.length} spans, with the same attributes, events and links.`}
            </Alert>
          )}
          {logs.error instanceof Error && (
            <Alert severity="warning" sx={{ borderRadius: 0 }}>
              No lines of log: {logs.error.message}
            </Alert>
          )}
          <Findings trace={trace} onSelect={(span) => change({ span })} />
          <Box sx={{ flex: 1, minHeight: 0, display: 'grid', gridTemplateColumns: selected ? 'minmax(0, 1fr) 400px' : '1fr' }}>
            <Box sx={{ minHeight: 0, display: 'flex', flexDirection: 'column' }}>
              <Box ref={ref} sx={{ flex: 1, minHeight: 0, overflow: 'hidden' }}>
                <Waterfall
                  trace={trace}
                  height={height}
                  selected={selected?.id}
                  onSelect={(span) => change({ span })}
                  logs={showLogs ? lines : undefined}
                  notes={notes}
                />
              </Box>
              <Spent trace={trace} onSelect={(span) => change({ span })} />
            </Box>
            {selected && (
              <Details
                span={selected}
                trace={trace}
                lines={lines.get(selected.id) ?? []}
                what={compared?.differences.find(({ span }) => span.id === selected.id)?.what}
              />
            )}
          </Box>
        </>
      )}
    </Box>
  )
}

/** Chooses the trace to compare with: by its id, or the one of middle duration among the latest of its kind. */
function CompareWith({ trace, store }: { trace: Trace; store: TraceStore }) {
  const [parameters, change] = useAddress()
  const [note, setNote] = useState('')
  if (parameters.get('with'))
    return (
      <Button size="small" onClick={() => change({ with: undefined })}>
        End the comparison
      </Button>
    )
  const { service, name } = trace.spans[0]!
  const typical = async () => {
    const found = await searchTraces(store, { service, operation: name, from: new Date(Date.now() - 3600_000), to: new Date(), limit: 50 })
    const sound = found.filter(({ traceId, errors }) => traceId !== trace.id && errors === 0).sort((a, b) => a.duration - b.duration)
    if (sound.length > 0) change({ with: sound[Math.floor(sound.length / 2)]!.traceId })
    else setNote(`No other ${name} of the last hour`)
  }
  return (
    <Stack component="form" direction="row" gap={1} onSubmit={(event) => {
      event.preventDefault()
      const id = cleanTraceId(String(new FormData(event.currentTarget as unknown as HTMLFormElement).get('with')))
      if (id) change({ with: id })
      else setNote('That is no trace id')
    }}>
      <TextField name="with" size="small" variant="standard" placeholder="Compare with trace id ⏎" error={!!note} helperText={note || undefined} slotProps={{ htmlInput: { spellCheck: false, 'aria-label': 'Compare with trace' } }} sx={{ width: 190 }} />
      <Button size="small" onClick={() => void typical().catch((error: Error) => setNote(error.message))}>
        or a typical one
      </Button>
    </Stack>
  )
}

function Compared({ trace, id, store }: { trace: Trace; id: string; store: TraceStore }) {
  const other = useStored(store, id, true)
  if (other.error) return <Failure id={id} error={other.error} store={store} retry={() => void other.refetch()} />
  if (!other.data) return <LinearProgress />
  const length = ({ start, end }: Trace) => duration(Number(end - start) / 1000)
  return (
    <>
      <Typography sx={{ px: 2, py: 1 }}>
        This trace takes {length(trace)},{' '}
        <Anchor component={Link} to={`/trace/${id}?from=${store}`} fontFamily="monospace">
          {id}
        </Anchor>{' '}
        {length(other.data)}.
      </Typography>
      <Compare trace={trace} other={other.data} />
    </>
  )
}

function Failure({ id, error, store, retry }: { id: string; error: Error; store: TraceStore; retry: () => void }) {
  const other = store === 'tempo' ? 'jaeger' : 'tempo'
  const unknown = error instanceof BackendError && error.status === 404
  return (
    <Message title={unknown ? `${storeNames[store]} does not know this trace` : `${storeNames[store]} cannot be asked`}>
      <p>
        {unknown
          ? 'A fresh trace takes about a second to arrive, and old ones are forgotten. A digit may be wrong, too.'
          : error.message}
      </p>
      <Stack direction="row" gap={2} alignItems="center">
        <Button variant="outlined" onClick={retry}>
          Ask again
        </Button>
        <Anchor component={Link} to={`/trace/${id}?from=${other}`}>
          Ask {storeNames[other]}
        </Anchor>
        <Anchor component={Link} to="/search">
          Search traces
        </Anchor>
      </Stack>
    </Message>
  )
}

function Message({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Box p={4} data-message>
      <Alert severity="warning" sx={{ maxWidth: 720 }}>
        <AlertTitle>{title}</AlertTitle>
        {children}
      </Alert>
    </Box>
  )
}
