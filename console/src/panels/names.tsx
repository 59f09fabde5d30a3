import { Chip, Stack } from '@mui/material'
import type { ThresholdOptions, TimeSeriesData } from '@perses-dev/core'
import type { PanelProps } from '@perses-dev/plugin-system'
import { panelPlugin } from './panel-plugin'

/** A stat that shows the names of its series in place of their values. */
function Names({ spec, queryResults }: PanelProps<{ thresholds: ThresholdOptions }, TimeSeriesData>) {
  const { steps = [], defaultColor } = spec.thresholds
  return (
    <Stack direction="row" flexWrap="wrap" gap={1} p={1} height="100%" alignContent="center" justifyContent="center" overflow="auto">
      {queryResults
        .flatMap(({ data }) => data.series)
        .map(({ name, formattedName, values }) => {
          const value = values.at(-1)?.[1] ?? 0
          const color = steps.findLast((step) => value >= step.value)?.color ?? defaultColor
          return <Chip key={name} label={formattedName ?? name} sx={{ bgcolor: color, color: '#fff', fontWeight: 600 }} />
        })}
    </Stack>
  )
}

export const SeriesNames = panelPlugin(Names, 'TimeSeriesQuery')
