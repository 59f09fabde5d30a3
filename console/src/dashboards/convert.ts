import type { Definition, FormatOptions, UnknownSpec } from '@perses-dev/core'
import type { DataLink, Mapping, Override, Panel, Step, Target } from './grafana'

export interface Paint {
  matches: (series: string) => boolean
  color?: string
  dashed: boolean
}
export interface Converted {
  plugin: Definition<UnknownSpec>
  queries: (interpolated: (query: string) => string) => Definition<UnknownSpec>[]
  /** Only what is now: a range would show what has ended meanwhile, too. */
  instant: boolean
  /** What stands there when no series comes back. */
  noValue?: string
  /** What is counted, where Perses has no unit for it. */
  counted?: string
  /** The least that the axis reaches up to. */
  softMax?: number
  /** The first that matches a series' name is how it is drawn. */
  paints: Paint[]
  links: DataLink[]
  /** Marks of the dashboard are drawn on it. */
  hasTimeAxis: boolean
  /** The queries whose exemplars are drawn. */
  exemplars: string[]
  /** What of the panel cannot be shown here. */
  missing: string[]
}

const units: Record<string, FormatOptions> = {
  short: { unit: 'decimal', shortValues: true },
  none: { unit: 'decimal', shortValues: false },
  bytes: { unit: 'bytes' },
  Bps: { unit: 'bytes/sec', shortValues: true },
  s: { unit: 'seconds' },
  ms: { unit: 'milliseconds' },
  percentunit: { unit: 'percent-decimal', decimalPlaces: 1 },
  ops: { unit: 'ops/sec', shortValues: true },
  reqps: { unit: 'requests/sec', shortValues: true },
  mps: { unit: 'messages/sec', shortValues: true },
}

export const colors: Record<string, string | undefined> = {
  green: '#2e9d5b',
  yellow: '#c9a20a',
  orange: '#e8820c',
  red: '#d93636',
  blue: '#1473e6',
  'light-blue': '#56a8f5',
  purple: '#a347c9',
  gray: '#8a8f98',
  text: '#1473e6',
  transparent: undefined,
}

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
const knownFields = ['unit', 'decimals', 'min', 'max', 'noValue', 'thresholds', 'mappings', 'links', 'custom']
const knownCustom = ['thresholdsStyle', 'axisSoftMax', 'drawStyle', 'stacking']

export function convert(panel: Panel): Converted {
  const fields = panel.fieldConfig?.defaults ?? {}
  const options = panel.options ?? {}
  const converted: Converted = {
    plugin: { kind: 'Missing', spec: {} },
    queries: () => [],
    noValue: fields.noValue,
    instant: panel.type === 'stat' && options.graphMode === 'none',
    softMax: fields.custom?.axisSoftMax as number | undefined,
    paints: [],
    links: fields.links ?? [],
    hasTimeAxis: ['timeseries', 'heatmap'].includes(panel.type),
    exemplars: [],
    missing: [],
  }
  const { missing } = converted
  const unknown = (what: string, names: string[], allowed: string[]) =>
    missing.push(...names.filter((name) => !allowed.includes(name)).map((name) => `${what} ${name}`))

  if (!known[panel.type]) {
    missing.push(`type ${panel.type}`)
    return converted
  }
  unknown('option', Object.keys(options), known[panel.type]!)
  unknown('field option', Object.keys(fields), knownFields)
  unknown('field option', Object.keys(fields.custom ?? {}), knownCustom)
  converted.counted = /^count:(.+)$/.exec(fields.unit ?? '')?.[1]
  const format = formatOf(converted.counted ? 'short' : fields.unit, fields.decimals)
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
      converted.paints = (panel.fieldConfig?.overrides ?? []).map((override) => paint(override, missing))
      converted.exemplars = panel.targets.flatMap(({ exemplar, expr }) => (exemplar && expr ? expr : []))
      break
    }
    case 'heatmap':
      if (options.calculate) missing.push('a heatmap that calculates its buckets')
      converted.plugin = { kind: 'BucketHeatmap', spec: { format: formatOf((options.yAxis as { unit?: string } | undefined)?.unit), limit: fields.thresholds?.steps.at(-1)?.value } }
      converted.exemplars = panel.targets.flatMap(({ exemplar, expr }) => (exemplar && expr ? expr : []))
      break
    case 'logs':
      converted.plugin = { kind: 'LogList', spec: { oldestFirst: options.sortOrder === 'Ascending' } }
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
  if (!['table', 'timeseries'].includes(panel.type)) unknown('override of', (panel.fieldConfig?.overrides ?? []).map(({ matcher }) => matcher.options), [])

  const queries = panel.targets.map((target) => query(panel, target, missing))
  converted.queries = (interpolated) => queries.flatMap((make) => make(interpolated))
  return converted
}

// Grafana's list of lines has no column for the service; the console's has.
const serviceBeforeLine = / \| line_format ".*"$/

type Make = (interpolated: (query: string) => string) => Definition<UnknownSpec>[]

function query(panel: Panel, target: Target, missing: string[]): Make {
  const { expr = '', query = '', legendFormat } = target
  switch (panel.datasource?.type) {
    case 'prometheus':
      return (interpolated) => [{ kind: 'PrometheusTimeSeriesQuery', spec: { query: interpolated(expr), seriesNameFormat: legendFormat } }]
    case 'loki':
      return (interpolated) =>
        panel.type === 'logs'
          ? [{ kind: 'LokiLogQuery', spec: { query: interpolated(expr.replace(serviceBeforeLine, '')), limit: target.maxLines } }]
          : [{ kind: 'LokiTimeSeriesQuery', spec: { query: interpolated(expr), seriesNameFormat: legendFormat } }]
    case 'tempo':
      // Grafana draws the service map of Tempo from the metrics that the collector makes.
      if (target.queryType === 'serviceMap') return (interpolated) => serviceMap([target.serviceMapQuery ?? ''].flat().map(interpolated))
      return (interpolated) => [{ kind: 'StoredTraceQuery', spec: { store: 'tempo', query: interpolated(query), limit: target.limit } }]
    case 'jaeger':
      return (interpolated) => [{ kind: 'StoredTraceQuery', spec: { store: 'jaeger', query: interpolated(query) } }]
    default:
      missing.push(`data source ${panel.datasource?.type}`)
      return () => []
  }
}

const serviceMap = (selectors: string[]): Definition<UnknownSpec>[] => {
  const rate = (metric: string) => selectors.map((selector) => `sum by (client, server) (rate(traces_service_graph_request_${metric}${selector}[$__rate_interval]))`).join(' or ')
  return [rate('total'), rate('failed_total'), `(${rate('server_seconds_sum')}) / (${rate('server_seconds_count')})`].map((query) => ({ kind: 'PrometheusTimeSeriesQuery', spec: { query } }))
}

function formatOf(unit = 'short', decimals?: number): FormatOptions | undefined {
  const format = units[unit]
  return format && decimals !== undefined ? ({ ...format, decimalPlaces: decimals } as FormatOptions) : format
}

function paint({ matcher, properties }: Override, missing: string[]): Paint {
  const painted: Paint = { matches: (name) => name === matcher.options, dashed: false }
  if (matcher.id === 'byRegexp') {
    const pattern = new RegExp(matcher.options.replace(/^\/(.*)\/$/, '$1'))
    painted.matches = (name) => pattern.test(name)
  } else if (matcher.id !== 'byName') missing.push(`matcher ${matcher.id}`)
  for (const { id, value } of properties) {
    if (id === 'color') {
      const { fixedColor } = value as { fixedColor: string }
      painted.color = colors[fixedColor]
      if (!painted.color) missing.push(`color ${fixedColor}`)
    } else if (id === 'custom.lineStyle') painted.dashed = (value as { fill: string }).fill === 'dash'
    else missing.push(`override ${id}`)
  }
  return painted
}

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
