import { Alert, Autocomplete, Box, Button, LinearProgress, MenuItem, Stack, TextField, ToggleButton, ToggleButtonGroup, Typography } from '@mui/material'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useState } from 'react'
import { operations, searchTraces, services, storeNames, type TraceStore, type TraceSummary } from '../backends/traces'
import { moment, useAddress, useRange, useTitle } from '../time'
import { TimeControls } from '../time-controls'
import { TraceList } from '../trace/trace-list'
import { Scatter } from './scatter'

const fields = ['service', 'operation', 'attributes', 'min', 'max', 'status'] as const
type Form = Record<(typeof fields)[number], string>

const isDuration = (written: string) => !written || /^\d+(\.\d+)?(ns|us|µs|ms|s|m|h)$/.test(written)
const areAttributes = (written: string) => !written.trim() || /^(\s*[^\s=]+=("[^"]*"|\S+))+\s*$/.test(written)
const limit = 50

export default function SearchPage() {
  useTitle('Traces')
  const [parameters, change] = useAddress()
  const range = useRange({ from: 'now-30m', to: 'now' })
  const store: TraceStore = parameters.get('store') === 'jaeger' ? 'jaeger' : 'tempo'
  const written = JSON.stringify(Object.fromEntries(fields.map((name) => [name, parameters.get(name) ?? ''])))
  const asked = useMemo(() => JSON.parse(written) as Form, [written]) // the same one while another parameter changes
  const [form, setForm] = useState(asked)
  useEffect(() => setForm(asked), [asked])
  const set = (name: keyof Form) => (value: string) => setForm((before) => ({ ...before, [name]: value }))

  const known = useQuery({ queryKey: ['services', store], queryFn: () => services(store) })
  // Jaeger searches one service at a time.
  const unasked = (store === 'jaeger' && (known.data?.find((name) => name === 'login-api') ?? known.data?.[0])) || ''
  const service = asked.service || unasked
  const of = form.service || unasked
  const names = useQuery({ queryKey: ['operations', store, of], queryFn: () => operations(store, of), enabled: store === 'tempo' || !!of })
  const wrong = !isDuration(form.min) || !isDuration(form.max) || !areAttributes(form.attributes)
  const found = useQuery<TraceSummary[], Error>({
    queryKey: ['search', store, service, asked, range],
    queryFn: () => searchTraces(store, { ...asked, service, from: moment(range.from), to: moment(range.to), limit }),
    enabled: (store === 'tempo' || !!service) && isDuration(asked.min) && isDuration(asked.max),
  })
  const failure = found.error ?? (known.error as Error | null)

  return (
    <Box p={2} data-page="search" data-state={failure ? 'error' : found.isFetching ? 'loading' : found.data?.length ? 'ready' : 'empty'}>
      <Stack
        component="form"
        direction="row"
        flexWrap="wrap"
        gap={1.5}
        alignItems="flex-start"
        onSubmit={(event) => {
          event.preventDefault()
          if (wrong) return
          change(form)
          if (fields.every((name) => form[name] === asked[name])) void found.refetch()
        }}
      >
        <ToggleButtonGroup exclusive size="small" value={store} onChange={(_, value: TraceStore | null) => value && change({ store: value })} aria-label="Store">
          {(['tempo', 'jaeger'] as const).map((value) => (
            <ToggleButton key={value} value={value} data-store={value}>
              {storeNames[value]}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <Autocomplete
          size="small"
          freeSolo
          options={known.data ?? []}
          inputValue={form.service}
          onInputChange={(_, value) => set('service')(value)}
          renderInput={(input) => <TextField {...input} label="Service" placeholder={unasked} slotProps={{ inputLabel: { ...input.InputLabelProps, shrink: !!unasked || undefined } }} />}
          sx={{ width: 170 }}
        />
        <Autocomplete
          size="small"
          freeSolo
          options={names.data ?? []}
          inputValue={form.operation}
          onInputChange={(_, value) => set('operation')(value)}
          renderInput={(input) => <TextField {...input} label="Operation" />}
          sx={{ width: 320 }}
        />
        <TextField
          size="small"
          label="Attributes"
          placeholder='http.route=/v1/login error.type="…"'
          value={form.attributes}
          onChange={(event) => set('attributes')(event.target.value)}
          error={!areAttributes(form.attributes)}
          helperText={areAttributes(form.attributes) ? undefined : 'key=value key="two words"'}
          sx={{ width: 330 }}
        />
        {(['min', 'max'] as const).map((end) => (
          <TextField
            key={end}
            size="small"
            label={end === 'min' ? 'Longer than' : 'Shorter than'}
            placeholder={end === 'min' ? '100ms' : '2s'}
            value={form[end]}
            onChange={(event) => set(end)(event.target.value.trim())}
            error={!isDuration(form[end])}
            helperText={isDuration(form[end]) ? undefined : 'such as 100ms, 1.5s'}
            sx={{ width: 120 }}
          />
        ))}
        <TextField select size="small" label="Status" value={form.status} onChange={(event) => set('status')(event.target.value)} sx={{ width: 110 }}>
          {['', 'error', 'ok', 'unset'].map((value) => (
            <MenuItem key={value} value={value} disabled={value === 'unset' && store === 'jaeger'}>
              {value || 'any'}
            </MenuItem>
          ))}
        </TextField>
        <TimeControls range={range} />
        <Button type="submit" variant="contained" disabled={wrong}>
          Search
        </Button>
      </Stack>
      <Box my={2}>
        {failure ? (
          <Alert severity="error" action={<Button onClick={() => void found.refetch()}>Ask again</Button>}>
            {failure.message}
          </Alert>
        ) : found.isFetching && !found.data ? (
          <LinearProgress />
        ) : found.data?.length ? (
          <>
            <Typography variant="body2" color="text.secondary">
              {found.data.length === limit ? `The latest ${limit} traces that ${storeNames[store]} found` : `${found.data.length} traces in ${storeNames[store]}`}
            </Typography>
            <Scatter traces={found.data} store={store} from={moment(range.from).getTime()} to={moment(range.to).getTime()} />
            <TraceList traces={found.data} store={store} sort={parameters.get('sort') === 'duration' ? 'duration' : 'time'} onSort={(sort) => change({ sort: sort === 'time' ? undefined : sort })} />
          </>
        ) : (
          <Alert severity="info">No trace of this time matches. A longer time or fewer conditions may find one.</Alert>
        )}
      </Box>
    </Box>
  )
}
