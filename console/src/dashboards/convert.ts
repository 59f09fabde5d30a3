import type { Definition, FormatOptions, UnknownSpec } from '@perses-dev/core'
import type { DataLink, Mapping, Panel, Step, Target } from './grafana'

export interface Converted {
  plugin: Definition<UnknownSpec>
  queries: (interpolated: (query: string) => string) => Definition<UnknownSpec>[]
  /** Only what is now: a range would show what has ended meanwhile, too. */
  instant: boolean
  /** What stands there when no series comes back. */
  noValue?: string
  links: DataLink[]
  /** The queries whose exemplars are drawn. */
  exemplars: string[]
  /** What of the panel cannot be shown here. */
  missing: string[]
  /** What is shown, though not quite as in Grafana. */
  notes: string[]
}

const units: Record<string, FormatOptions> = {
  short: { unit: 'decimal', shortValues: true },
  none: { unit: 'decimal' },
  bytes: { unit: 'bytes' },
  Bps: { unit: 'bytes/sec', shortValues: true },
  s: { unit: 'seconds' },
  ms: { unit: 'milliseconds' },
  percentunit: { unit: 'percent-decimal', decimalPlaces: 1 },
  cps: { unit: 'counts/sec', shortValues: true },
  ops: { unit: 'ops/sec', shortValues: true },
  reqps: { unit: 'requests/sec', shortValues: true },
  mps: { unit: 'messages/sec', shortValues: true },
}

const colors: Record<string, string | undefined> = { green: '#2e9d5b', orange: '#e8820c', red: '#d93636', blue: '#1473e6', text: '#1473e6', transparent: undefined }

// Settings that say what these panels do anyway.
const known: Record<string, string[]> = {
  stat: ['reduceOptions', 'graphMode', 'textMode', 'colorMode'],
  timeseries: ['tooltip', 'legend'],
  heatmap: ['calculate', 'yAxis', 'cellValues', 'color', 'legend', 'tooltip'],
  logs: ['showTime', 'wrapLogMessage', 'enableLogDetails', 'sortOrder'],
  table: [],
  traces: [],
  nodeGraph: [],
}
const knownFields = ['unit', 'min', 'max', 'noValue', 'thresholds', 'mappings', 'links', 'custom']
const knownCustom = ['thresholdsStyle', 'scaleDistribution', 'drawStyle', 'stacking']

export function convert(panel: Panel): Converted {
  const fields = panel.fieldConfig?.defaults ?? {}
  const options = panel.options ?? {}
  const converted: Converted = {
    plugin: { kind: 'Missing', spec: {} },
    queries: () => [],
    noValue: fields.noValue,
    instant: panel.type === 'stat' && options.graphMode === 'none',
    links: fields.links ?? [],
    exemplars: [],
    missing: [],
    notes: [],
  }
  const { missing, notes } = converted
  const unknown = (what: string, names: string[], allowed: string[]) =>
    missing.push(...names.filter((name) => !allowed.includes(name)).map((name) => `${what} ${name}`))

  if (!known[panel.type]) {
    missing.push(`type ${panel.type}`)
    return converted
  }
  unknown('option', Object.keys(options), known[panel.type]!)
  unknown('field option', Object.keys(fields), knownFields)
  unknown('field option', Object.keys(fields.custom ?? {}), knownCustom)
  const format = units[fields.unit ?? 'short']
  if (!format) missing.push(`unit ${fields.unit}`)
  const custom = fields.custom ?? {}

  switch (panel.type) {
    case 'stat': {
      const calc = (options.reduceOptions as { calcs: string[] } | undefined)?.calcs[0] ?? 'lastNotNull'
      if (calc !== 'lastNotNull') missing.push(`calculation ${calc}`)
      converted.noValue ??= textForNull(fields.mappings)
      if (options.textMode === 'name') {
        converted.plugin = { kind: 'SeriesNames', spec: { thresholds: thresholds(fields.thresholds?.steps) } }
        break
      }
      converted.plugin = {
        kind: 'StatChart',
        spec: {
          calculation: 'last-number',
          format,
          thresholds: thresholds(fields.thresholds?.steps),
          mappings: (fields.mappings ?? []).flatMap((mapping) => mappings(mapping, missing)),
          sparkline: options.graphMode === 'area' ? {} : undefined,
        },
      }
      break
    }
    case 'timeseries': {
      const stacking = (custom.stacking as { mode: string } | undefined)?.mode ?? 'none'
      const draw = (custom.drawStyle as string | undefined) ?? 'line'
      if (!['none', 'normal'].includes(stacking)) missing.push(`stacking ${stacking}`)
      if (!['line', 'bars'].includes(draw)) missing.push(`drawing ${draw}`)
      const scale = (custom.scaleDistribution as { type: string } | undefined)?.type ?? 'linear'
      if (scale !== 'linear') notes.push(`Grafana draws this on a ${scale} axis; here it is linear.`)
      const style = (custom.thresholdsStyle as { mode: string } | undefined)?.mode ?? 'off'
      if (!['off', 'dashed', 'line'].includes(style)) missing.push(`thresholds as ${style}`)
      converted.plugin = {
        kind: 'TimeSeriesChart',
        spec: {
          legend: { position: 'bottom', mode: 'list', size: 'medium' },
          yAxis: { show: true, format, min: fields.min, max: fields.max },
          thresholds: style === 'off' ? undefined : thresholds(fields.thresholds?.steps),
          visual: {
            display: draw === 'bars' ? 'bar' : 'line',
            stack: stacking === 'none' ? 'none' : 'all',
            lineWidth: 1.5,
            areaOpacity: draw === 'bars' ? 1 : 0.05,
            palette: { mode: 'categorical' },
            connectNulls: false,
          },
        },
      }
      converted.exemplars = panel.targets.flatMap(({ exemplar, expr }) => (exemplar && expr ? expr : []))
      break
    }
    case 'heatmap':
      if (options.calculate) missing.push('a heatmap that calculates its buckets')
      converted.plugin = { kind: 'BucketHeatmap', spec: { format: units[(options.yAxis as { unit?: string } | undefined)?.unit ?? 'short'] } }
      converted.exemplars = panel.targets.flatMap(({ exemplar, expr }) => (exemplar && expr ? expr : []))
      break
    case 'logs':
      if (options.sortOrder === 'Ascending') missing.push('oldest lines first')
      converted.plugin = { kind: 'LogList', spec: {} }
      break
    case 'table':
      if (panel.targets.some(({ queryType, tableType }) => queryType !== 'traceql' || tableType !== 'traces')) missing.push('a table of other than traces')
      converted.plugin = { kind: 'TraceTable', spec: {} }
      for (const { matcher, properties } of panel.fieldConfig?.overrides ?? []) {
        unknown('override of', [matcher.options], ['Trace ID'])
        unknown('override', properties.map(({ id }) => id), ['links'])
        converted.plugin.spec = { link: (properties[0]?.value as DataLink[] | undefined)?.[0] }
      }
      break
    case 'traces':
      converted.plugin = { kind: 'TraceWaterfall', spec: { store: panel.datasource?.type } }
      break
    case 'nodeGraph':
      converted.plugin = { kind: 'ServiceGraph', spec: {} }
      break
  }
  if (panel.type !== 'table') unknown('override of', (panel.fieldConfig?.overrides ?? []).map(({ matcher }) => matcher.options), [])

  const queries = panel.targets.map((target) => query(panel, target, missing))
  converted.queries = (interpolated) => queries.flatMap((make) => make(interpolated))
  return converted
}

type Make = (interpolated: (query: string) => string) => Definition<UnknownSpec>[]

function query(panel: Panel, target: Target, missing: string[]): Make {
  const { expr = '', query = '', legendFormat } = target
  switch (panel.datasource?.type) {
    case 'prometheus':
      return (interpolated) => [{ kind: 'PrometheusTimeSeriesQuery', spec: { query: interpolated(expr), seriesNameFormat: legendFormat } }]
    case 'loki':
      return (interpolated) =>
        panel.type === 'logs'
          ? [{ kind: 'LokiLogQuery', spec: { query: interpolated(expr), limit: target.maxLines } }]
          : [{ kind: 'LokiTimeSeriesQuery', spec: { query: interpolated(expr), seriesNameFormat: legendFormat } }]
    case 'tempo':
      // Grafana draws the service map of Tempo from the metrics that the collector makes.
      if (target.queryType === 'serviceMap') return () => serviceMap
      return (interpolated) => [{ kind: 'StoredTraceQuery', spec: { store: 'tempo', query: interpolated(query), limit: target.limit } }]
    case 'jaeger':
      return (interpolated) => [{ kind: 'StoredTraceQuery', spec: { store: 'jaeger', query: interpolated(query) } }]
    default:
      missing.push(`data source ${panel.datasource?.type}`)
      return () => []
  }
}

const serviceMap: Definition<UnknownSpec>[] = [
  'sum by (client, server) (rate(traces_service_graph_request_total[$__rate_interval]))',
  'sum by (client, server) (rate(traces_service_graph_request_failed_total[$__rate_interval]))',
  'sum by (client, server) (rate(traces_service_graph_request_server_seconds_sum[$__rate_interval])) / sum by (client, server) (rate(traces_service_graph_request_server_seconds_count[$__rate_interval]))',
].map((query) => ({ kind: 'PrometheusTimeSeriesQuery', spec: { query } }))

const thresholds = (steps: Step[] = []) => ({
  defaultColor: colors[steps[0]?.color ?? 'text'],
  steps: steps.flatMap(({ color, value }) => (value === null ? [] : { value, color: colors[color] ?? color })),
})

const textForNull = (list: Mapping[] = []) =>
  list.filter(({ type }) => type === 'special').map(({ options }) => (options.result as { text: string }).text)[0]

function mappings({ type, options }: Mapping, missing: string[]) {
  const result = ({ text, color }: { text: string; color?: string }) => ({ value: text, color: color && (colors[color] ?? color) })
  if (type === 'value')
    return Object.entries(options as Record<string, { text: string; color?: string }>).map(([value, to]) => ({ kind: 'Value', spec: { value, result: result(to) } }))
  if (type === 'special' && options.match === 'null+nan')
    return ['null', 'NaN'].map((value) => ({ kind: 'Misc', spec: { value, result: result(options.result as { text: string }) } }))
  missing.push(`mapping ${type}`)
  return []
}
