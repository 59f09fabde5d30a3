import { dynamicImportPluginLoader, type DatasourceStore, type PluginModuleResource, type PluginType } from '@perses-dev/plugin-system'
import { createElement } from 'react'

const module = (name: string, kind: PluginType, names: string[]): PluginModuleResource => ({
  kind: 'PluginModule',
  metadata: { name, version: '1' },
  spec: { plugins: names.map((plugin) => ({ kind, spec: { name: plugin, display: { name: plugin } } })) },
})

// The editors of the plugins are of no use here, and the larger part of their code: only what shows data is imported.
const noEditor = () => createElement('div')

const modules: Parameters<typeof dynamicImportPluginLoader>[0] = [
  {
    resource: module('prometheus', 'TimeSeriesQuery', ['PrometheusTimeSeriesQuery']),
    importPlugin: async () => {
      const { getTimeSeriesData } = await import('@perses-dev/prometheus-plugin/lib/plugins/prometheus-time-series-query/get-time-series-data')
      return { PrometheusTimeSeriesQuery: { getTimeSeriesData, OptionsEditorComponent: noEditor, createInitialOptions: () => ({}) } }
    },
  },
  {
    resource: module('timeseries', 'Panel', ['TimeSeriesChart']),
    importPlugin: async () => {
      const { TimeSeriesChartPanel } = await import('@perses-dev/timeseries-chart-plugin/lib/TimeSeriesChartPanel')
      return { TimeSeriesChart: { PanelComponent: TimeSeriesChartPanel, supportedQueryTypes: ['TimeSeriesQuery'] } }
    },
  },
  {
    resource: module('stat', 'Panel', ['StatChart']),
    importPlugin: async () => {
      const { StatChartPanel } = await import('@perses-dev/stat-chart-plugin/lib/StatChartPanel')
      return { StatChart: { PanelComponent: StatChartPanel, supportedQueryTypes: ['TimeSeriesQuery'] } }
    },
  },
  { resource: module('names', 'Panel', ['SeriesNames']), importPlugin: () => import('./names') },
  { resource: module('heatmap', 'Panel', ['BucketHeatmap']), importPlugin: () => import('./heatmap') },
  { resource: module('logs', 'Panel', ['LogList']), importPlugin: () => import('./log-list') },
  { resource: module('traces', 'Panel', ['TraceTable', 'TraceWaterfall']), importPlugin: () => import('./traces') },
  { resource: module('graph', 'Panel', ['ServiceGraph']), importPlugin: () => import('./service-graph') },
  { resource: module('loki-metrics', 'TimeSeriesQuery', ['LokiTimeSeriesQuery']), importPlugin: () => import('./queries') },
  { resource: module('loki-logs', 'LogQuery', ['LokiLogQuery']), importPlugin: () => import('./queries') },
  { resource: module('stored-traces', 'TraceQuery', ['StoredTraceQuery']), importPlugin: () => import('./queries') },
]
export const pluginLoader = dynamicImportPluginLoader(modules)

// Every dashboard begins with these: they need not wait for its first panel.
for (const { importPlugin } of modules.slice(0, 3)) void importPlugin()

/** Perses asks here for its client of Prometheus; the other stores are asked through backends/. */
export const datasources: DatasourceStore = {
  getDatasource: async ({ kind }) => ({ default: true, plugin: { kind, spec: { scrapeInterval: '10s' } } }),
  getDatasourceClient: async <Client>() => {
    const { instantQuery, rangeQuery } = await import('@perses-dev/prometheus-plugin/lib/model/prometheus-client')
    const options = { datasourceUrl: '/proxy/prometheus' }
    return {
      options,
      instantQuery: (parameters: Parameters<typeof instantQuery>[0]) => instantQuery(parameters, options),
      rangeQuery: (parameters: Parameters<typeof rangeQuery>[0]) => rangeQuery(parameters, options),
    } as Client
  },
  listDatasourceSelectItems: async () => [],
  getLocalDatasources: () => ({}),
  setLocalDatasources: () => {},
  getSavedDatasources: () => ({}),
  setSavedDatasources: () => {},
}
