import { Button, MenuItem, Popover, Stack, TextField, ToggleButton, ToggleButtonGroup } from '@mui/material'
import { useState } from 'react'
import { describe, local, moment, type Range, useAddress } from './time'

const past = ['5m', '15m', '30m', '1h', '3h', '12h', '24h', '7d']
const refreshes = ['', '5s', '10s', '30s', '1m']

export function TimeControls(props: { range: Range; refresh?: string; onRefresh?: () => void }) {
  const { range, refresh, onRefresh } = props
  const [, change] = useAddress()
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  return (
    <Stack direction="row" gap={1} alignItems="center">
      <Button size="small" variant="outlined" onClick={(event) => setAnchor(event.currentTarget)} data-control="range" aria-haspopup="dialog">
        {describe(range)}
      </Button>
      <Popover open={!!anchor} anchorEl={anchor} onClose={() => setAnchor(null)} anchorOrigin={{ vertical: 'bottom', horizontal: 'left' }}>
        <Stack gap={2} padding={2} maxWidth={420}>
          <ToggleButtonGroup
            exclusive
            size="small"
            value={range.to === 'now' ? range.from.replace('now-', '') : ''}
            onChange={(_, value: string | null) => {
              if (value) change({ from: `now-${value}`, to: 'now' })
              setAnchor(null)
            }}
            aria-label="Last"
          >
            {past.map((value) => (
              <ToggleButton key={value} value={value} data-range={value}>
                {value}
              </ToggleButton>
            ))}
          </ToggleButtonGroup>
          <Stack
            component="form"
            direction="row"
            gap={1}
            onSubmit={(event) => {
              event.preventDefault()
              const form = new FormData(event.currentTarget as unknown as HTMLFormElement)
              change({ from: `${moment(String(form.get('from'))).getTime()}`, to: `${moment(String(form.get('to'))).getTime()}` })
              setAnchor(null)
            }}
          >
            {(['from', 'to'] as const).map((end) => (
              <TextField
                key={end}
                name={end}
                label={end === 'from' ? 'From' : 'To'}
                type="datetime-local"
                size="small"
                required
                defaultValue={local(moment(range[end])).replace(' ', 'T')}
                slotProps={{ htmlInput: { step: 1 }, inputLabel: { shrink: true } }}
              />
            ))}
            <Button type="submit">Show</Button>
          </Stack>
        </Stack>
      </Popover>
      {refresh !== undefined && (
        <TextField
          select
          size="small"
          label="Refresh"
          value={refresh}
          onChange={(event) => change({ refresh: event.target.value || 'off' })}
          sx={{ minWidth: 88 }}
          slotProps={{ htmlInput: { 'data-control': 'refresh' }, inputLabel: { shrink: true }, select: { displayEmpty: true } }}
        >
          {[...new Set([...refreshes, refresh])].map((value) => (
            <MenuItem key={value} value={value}>
              {value || 'off'}
            </MenuItem>
          ))}
        </TextField>
      )}
      {onRefresh && (
        <Button size="small" onClick={onRefresh}>
          Now
        </Button>
      )}
    </Stack>
  )
}
