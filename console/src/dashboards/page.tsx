import { Alert, Autocomplete, Box, Stack, Tab, Tabs, TextField, Typography } from '@mui/material'
import { useTheme } from '@mui/material/styles'
import { ChartsProvider, generateChartsTheme } from '@perses-dev/components'
import type { DurationString, TimeRangeValue } from '@perses-dev/core'
import { BuiltinVariableContext, DatasourceStoreContext, PluginRegistry, TimeRangeProvider, useTimeRange, VariableContext } from '@perses-dev/plugin-system'
import { useEffect, useMemo, useState } from 'react'
import { Link, useParams } from 'react-router-dom'
import { datasources, pluginLoader } from '../panels/plugins'
import { milliseconds, moment, relative, useAddress, useDebounced, useRange, useTitle } from '../time'
import { TimeControls } from '../time-controls'
import { dashboards, isRow, type Dashboard } from './grafana'
import { MarksOf } from './marks'
import { DashboardPanel } from './panel'
import { all, type Choice, useChoices } from './variables'

const echartsTheme = {
  // ECharts takes a line's height from a Chinese character, which not every machine has a font for.
  timeAxis: { axisLabel: { margin: 8, lineHeight: 14 }, splitNumber: 5 },
  // Drawn on the canvas: a tooltip of HTML brings its style in attributes, which the page's policy refuses.
  tooltip: { renderMode: 'richText' as const },
}
const noVariables = { state: {} }
const noBuiltins = { variables: [] }

export default function DashboardPage() {
  const { uid } = useParams()
  const dashboard = dashboards.find((one) => one.uid === uid)
  const theme = useTheme()
  const chartsTheme = useMemo(() => generateChartsTheme(theme, { echartsTheme }), [theme])
  useTitle(dashboard?.title ?? 'Dashboards')
  if (!dashboard)
    return (
      <Box p={4}>
        <Alert severity="warning">There is no dashboard “{uid}” in grafana/dashboards. There are: {dashboards.map(({ uid }) => uid).join(', ')}.</Alert>
      </Box>
    )
  return (
    <PluginRegistry pluginLoader={pluginLoader}>
      <ChartsProvider chartsTheme={chartsTheme} enableSyncGrouping={false}>
        <DatasourceStoreContext.Provider value={datasources}>
          <VariableContext.Provider value={noVariables}>
            <BuiltinVariableContext.Provider value={noBuiltins}>
              <Timed dashboard={dashboard} key={dashboard.uid} />
            </BuiltinVariableContext.Provider>
          </VariableContext.Provider>
        </DatasourceStoreContext.Provider>
      </ChartsProvider>
    </PluginRegistry>
  )
}

function Timed({ dashboard }: { dashboard: Dashboard }) {
  const range = useRange(dashboard.time)
  const [parameters, change] = useAddress()
  const refresh = (parameters.get('refresh') ?? (dashboard.refresh || '')).replace('off', '')
  const timeRange = useMemo<TimeRangeValue>(() => {
    const [, amount, unit] = relative.exec(range.from) ?? []
    if (range.to === 'now' && amount) return { pastDuration: `${amount}${unit}` as DurationString }
    return { start: moment(range.from), end: moment(range.to) }
  }, [range])
  return (
    <TimeRangeProvider
      timeRange={timeRange}
      refreshInterval={(milliseconds(refresh) ? refresh : '0s') as DurationString}
      setTimeRange={(value) => {
        if ('start' in value) change({ from: `${value.start.getTime()}`, to: `${value.end.getTime()}` })
        else change({ from: `now-${value.pastDuration}`, to: 'now' })
      }}
    >
      <Page dashboard={dashboard} refresh={refresh} range={range} />
    </TimeRangeProvider>
  )
}

function Page({ dashboard, refresh, range }: { dashboard: Dashboard; refresh: string; range: { from: string; to: string } }) {
  const { absoluteTimeRange, refresh: again } = useTimeRange()
  const choices = useChoices(dashboard, absoluteTimeRange.start, absoluteTimeRange.end)
  const [parameters] = useAddress()
  // The other dashboards open with the same time and variables.
  const kept = [...parameters].length ? `?${parameters}` : ''
  return (
    <Box data-page="dashboard" data-dashboard={dashboard.uid}>
      <Stack
        direction="row"
        alignItems="center"
        flexWrap="wrap"
        gap={1}
        sx={{ px: 1, position: 'sticky', top: 49, zIndex: 5, bgcolor: 'background.default', borderBottom: 1, borderColor: 'divider', pt: 1, pb: 0.75 }}
      >
        <Tabs value={dashboard.uid} aria-label="Dashboards" variant="scrollable" scrollButtons={false} sx={{ minHeight: 36, flex: '1 0 auto' }}>
          {dashboards.map(({ uid, title }) => (
            <Tab key={uid} value={uid} label={title} component={Link} to={`/dashboards/${uid}${kept}`} sx={{ minHeight: 36, py: 0, px: 1.25 }} />
          ))}
        </Tabs>
        {Object.values(choices).map((choice) => (
          <VariableField key={choice.variable.name} choice={choice} />
        ))}
        <TimeControls range={range} refresh={refresh} onRefresh={again} />
      </Stack>
      {Object.values(choices).map(
        ({ variable, error }) =>
          error && (
            <Alert key={variable.name} severity="error">
              The values of {variable.label ?? variable.name} cannot be read: {error.message}
            </Alert>
          ),
      )}
      <MarksOf dashboard={dashboard}>
        <Box sx={{ display: 'grid', gridTemplateColumns: 'repeat(24, minmax(0, 1fr))', gridAutoRows: '30px', gap: 1, p: 1 }}>
          {dashboard.panels.map((panel) =>
            isRow(panel) ? (
              <Typography key={panel.id} component="h2" sx={{ gridColumn: '1 / -1', alignSelf: 'end', fontSize: 15, fontWeight: 600 }} style={{ gridRow: panel.gridPos.y + 1 }}>
                {panel.title}
              </Typography>
            ) : (
              <DashboardPanel key={panel.id} panel={panel} choices={choices} />
            ),
          )}
        </Box>
      </MarksOf>
    </Box>
  )
}

function VariableField({ choice: { variable, values, options } }: { choice: Choice }) {
  const [, change] = useAddress()
  const { name, label = name, description } = variable
  if (variable.type === 'textbox') return <TextVariable name={name} label={label} value={values[0] ?? ''} help={description} />
  const shown = (value: string) => (value === all ? 'All' : value)
  const set = (next: string[]) => change({ [`var-${name}`]: next })
  const common = { size: 'small' as const, disableClearable: true as const, getOptionLabel: shown, sx: { minWidth: variable.multi ? 140 : 105, maxWidth: 420 } }
  const input = (parameters: object) => <TextField {...parameters} label={label} title={description} />
  return (
    <Box data-variable={name}>
      {variable.multi ? (
        <Autocomplete
          {...common}
          multiple
          disableCloseOnSelect
          limitTags={2}
          options={[...(variable.includeAll ? [all] : []), ...options]}
          value={values}
          // All stands alone: chosen, it drops the others; another chosen drops it.
          onChange={(_, next) => set(next.at(-1) === all || next.length === 0 ? [all] : next.filter((value) => value !== all))}
          renderInput={input}
        />
      ) : (
        <Autocomplete {...common} options={[...new Set([...values, ...options])]} value={values[0] ?? ''} onChange={(_, next) => set([next])} renderInput={input} />
      )}
    </Box>
  )
}

function TextVariable({ name, label, value, help }: { name: string; label: string; value: string; help?: string }) {
  const [, change] = useAddress()
  const [typed, setTyped] = useState(value)
  const settled = useDebounced(typed)
  useEffect(() => setTyped(value), [value])
  useEffect(() => {
    if (settled !== value) change({ [`var-${name}`]: settled.trim() })
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only what was typed changes the address
  }, [settled])
  return (
    <TextField
      size="small"
      label={label}
      title={help}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      sx={{ width: 340 }}
      slotProps={{ htmlInput: { 'data-variable': name, spellCheck: false } }}
    />
  )
}
