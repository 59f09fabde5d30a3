import { useTheme } from '@mui/material'
import { EChart, useChartsTheme } from '@perses-dev/components'
import { formatValue, type FormatOptions, type TimeSeriesData } from '@perses-dev/core'
import type { PanelProps } from '@perses-dev/plugin-system'
import { CustomChart } from 'echarts/charts'
import { GridComponent, TooltipComponent, VisualMapContinuousComponent } from 'echarts/components'
import { use } from 'echarts/core'
import type { CustomSeriesRenderItem } from 'echarts'
import { useMemo } from 'react'
import { buckets, type Cell } from './buckets'
import { panelPlugin } from './panel-plugin'

use([CustomChart, GridComponent, TooltipComponent, VisualMapContinuousComponent])

function Heatmap({ spec, contentDimensions, queryResults }: PanelProps<{ format: FormatOptions; limit?: number }, TimeSeriesData>) {
  const { echartsTheme } = useChartsTheme()
  const { palette } = useTheme()
  const data = queryResults[0]?.data
  const option = useMemo(() => {
    if (!data) return {}
    const { les, cells, stepMs } = buckets(data, spec.limit)
    const name = (le: number) => (le === Infinity ? '∞' : formatValue(le, spec.format))
    const most = Math.max(1, ...cells.map(([, , count]) => count))
    const cell: CustomSeriesRenderItem = (_, api) => {
      const [time, row] = [api.value(0) as number, api.value(1) as number]
      const [left, middle] = api.coord([time - stepMs, row]) as [number, number]
      const [right] = api.coord([time, row]) as [number, number]
      const [, height] = api.size!([0, 1]) as [number, number]
      return {
        type: 'rect',
        shape: { x: left, y: middle - height / 2, width: Math.max(1, right - left), height: height - 1 },
        style: { fill: api.visual('color') as string },
      }
    }
    // The limit is the upper end of its bucket.
    const limit: CustomSeriesRenderItem = ({ coordSys }, api) => {
      const { x, width } = coordSys as unknown as { x: number; width: number }
      const [, middle] = api.coord([0, api.value(0)]) as [number, number]
      const [, height] = api.size!([0, 1]) as [number, number]
      const y = middle - height / 2
      return { type: 'line', shape: { x1: x, y1: y, x2: x + width, y2: y }, style: { stroke: palette.error.main, lineWidth: 2, lineDash: [8, 6] } }
    }
    const limited = les.indexOf(spec.limit ?? NaN)
    return {
      animation: false,
      grid: { left: 12, right: 16, top: 10, bottom: 4, containLabel: true },
      xAxis: { type: 'time', min: data.timeRange?.start, max: data.timeRange?.end, axisLabel: { hideOverlap: true } },
      yAxis: { type: 'category', data: les.map(name), axisTick: { show: false } },
      visualMap: {
        show: false,
        min: 0,
        max: most,
        seriesIndex: 0,
        dimension: 2,
        inRange: { color: palette.mode === 'dark' ? ['#5a2e06', '#e8820c', '#ffe3bd'] : ['#fde7cc', '#f28c1f', '#8a3b00'] },
      },
      tooltip: {
        trigger: 'item',
        formatter: ({ value: [time, row, count] }: { value: Cell }) =>
          `${new Date(time).toLocaleTimeString('sv-SE')}\n${row ? `${name(les[row - 1]!)} to ` : 'up to '}${name(les[row]!)}\n${Math.round(count)} messages`,
      },
      series: [
        { type: 'custom', renderItem: cell, data: cells, clip: true, encode: { x: 0, y: 1 } },
        { type: 'custom', renderItem: limit, data: limited < 0 ? [] : [[limited]], silent: true, encode: { x: -1, y: 0 } },
      ],
    }
  }, [data, spec, palette])
  return <EChart sx={contentDimensions} option={option} theme={echartsTheme} />
}

export const BucketHeatmap = panelPlugin(Heatmap, 'TimeSeriesQuery')
