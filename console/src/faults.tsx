import { Alert, Box, Button, Popover, Stack, ToggleButton, ToggleButtonGroup } from '@mui/material'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { read } from './backends/request'
import { useConfig } from './config'

interface Fault {
  name: string
  does: string
  look: string
}
interface Status {
  faults: Fault[]
  running: { name: string; until: string } | null
  /** Why the last one failed. */
  failed: string
}

const durations = [30, 60, 120, 300]
const written = (seconds: number) => (seconds < 60 ? `${seconds} s` : `${seconds / 60} min`)

/** The menu of faults, where the console was started to allow them. */
export function Faults() {
  return useConfig()?.faults ? <FaultMenu /> : null
}

function FaultMenu() {
  const queries = useQueryClient()
  const { data, error } = useQuery<Status, Error>({
    queryKey: ['faults'],
    queryFn: () => read('/api/faults', 'The console'),
    refetchInterval: (status) => (status?.running ? 1000 : 10_000),
  })
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  const [seconds, setSeconds] = useState(60)
  const [refused, setRefused] = useState('')
  const running = data?.running
  const now = useNow(!!running)
  const left = running ? Math.max(0, Math.ceil((new Date(running.until).getTime() - now) / 1000)) : 0
  const post = async (path: string, body: object = {}) => {
    setRefused('')
    const answer = await read<Status>(path, 'The console', { method: 'POST', body: JSON.stringify(body) }).catch((error: Error) => setRefused(error.message))
    if (answer) queries.setQueryData(['faults'], answer)
  }
  const wrong = refused || data?.failed || error?.message
  const what = data?.faults.find(({ name }) => name === running?.name)
  return (
    <>
      <Button size="small" color={running || wrong ? 'error' : 'inherit'} onClick={(event) => setAnchor(event.currentTarget)} aria-haspopup="dialog" data-fault={running?.name ?? ''}>
        {running ? `● ${running.name}, ${left ? `${left} s` : 'ending'}` : wrong ? 'Faults: failed' : 'Faults'}
      </Button>
      <Popover open={!!anchor} anchorEl={anchor} onClose={() => setAnchor(null)} anchorOrigin={{ vertical: 'bottom', horizontal: 'right' }} transformOrigin={{ vertical: 'top', horizontal: 'right' }}>
        <Stack gap={1} p={1.5} width={520} maxHeight="80vh" role="dialog" aria-label="Faults">
          {wrong && <Alert severity="error">{wrong}</Alert>}
          {running ? (
            <>
              <Box>
                <strong>{running.name}</strong> {what?.does}
                <Box color="text.secondary">→ {what?.look}</Box>
              </Box>
              <Button color="error" variant="outlined" onClick={() => void post('/api/faults/end')}>
                End it now
              </Button>
            </>
          ) : (
            <>
              <Stack direction="row" alignItems="center" gap={1} fontSize={13}>
                <Box flex={1}>Break something, with 20 logins a second. Its begin and end are marked on the panels.</Box>
                <ToggleButtonGroup exclusive size="small" value={seconds} onChange={(_, value: number | null) => value && setSeconds(value)} aria-label="How long">
                  {durations.map((value) => (
                    <ToggleButton key={value} value={value} sx={{ textTransform: 'none', py: 0.25, whiteSpace: 'nowrap' }}>
                      {written(value)}
                    </ToggleButton>
                  ))}
                </ToggleButtonGroup>
              </Stack>
              <Box overflow="auto">
                {data?.faults.map(({ name, does, look }) => (
                  <Button
                    key={name}
                    fullWidth
                    color="inherit"
                    title={`→ ${look}`}
                    onClick={() => {
                      void post('/api/faults', { name, seconds })
                      setAnchor(null)
                    }}
                    sx={{ display: 'grid', gridTemplateColumns: '165px 1fr', gap: 1, textAlign: 'left', textTransform: 'none', alignItems: 'baseline', lineHeight: 1.4, py: 0.5 }}
                  >
                    <strong>{name}</strong>
                    <Box fontSize={13} fontWeight={400} color="text.secondary">
                      {does}
                    </Box>
                  </Button>
                ))}
              </Box>
            </>
          )}
        </Stack>
      </Popover>
    </>
  )
}

/** The time, each second while it is needed. */
function useNow(needed: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!needed) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [needed])
  return now
}
