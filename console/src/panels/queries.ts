import type { AbsoluteTimeRange, TimeSeriesData, TraceData } from '@perses-dev/core'
import type { TimeSeriesQueryPlugin, TraceQueryPlugin } from '@perses-dev/plugin-system'
import { createElement } from 'react'
import { logMetric, logs } from '../backends/loki'
import { cleanTraceId, fetchOtlp, searchTempo, type TraceStore } from '../backends/traces'

const editor = { OptionsEditorComponent: () => createElement('div') }

export const LokiTimeSeriesQuery: TimeSeriesQueryPlugin<{ query: string; seriesNameFormat?: string }> = {
  ...editor,
  createInitialOptions: () => ({ query: '' }),
  async getTimeSeriesData({ query, seriesNameFormat }, { timeRange: { start, end }, suggestedStepMs = 0 }): Promise<TimeSeriesData> {
    const step = Math.max(10, Math.ceil((suggestedStepMs * 4) / 1000))
    const [from, to] = [start, end].map((time) => new Date(Math.floor(time.getTime() / 1000 / step) * step * 1000)) as [Date, Date]
    const series = await logMetric(query.replaceAll('$__interval', `${step}s`).replaceAll('$__auto', `${step}s`), from, to, step)
    return {
      timeRange: { start: from, end: to },
      stepMs: step * 1000,
      series: series.map(({ labels, values }) => {
        const name = JSON.stringify(labels)
        const formattedName = seriesNameFormat?.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? '')
        return { name, formattedName, labels, values }
      }),
    }
  },
}

export const LokiLogQuery = {
  ...editor,
  createInitialOptions: () => ({ query: '' }),
  async getLogData({ query, limit }: { query: string; limit?: number }, { timeRange }: { timeRange: AbsoluteTimeRange }) {
    const lines = await logs(query, timeRange.start, timeRange.end, limit)
    const entries = lines.map(({ time, line, labels }) => ({ timestamp: Number(BigInt(time) / 1000n) / 1e6, line, labels }))
    return { logs: { entries, totalCount: entries.length }, timeRange, metadata: { executedQueryString: query } }
  },
}

/** One trace by its id, or those that a TraceQL query finds. */
export const StoredTraceQuery: TraceQueryPlugin<{ store: TraceStore; query: string; limit?: number }> = {
  ...editor,
  createInitialOptions: () => ({ store: 'tempo' as const, query: '' }),
  async getTraceData({ store, query, limit }, { absoluteTimeRange }): Promise<TraceData> {
    if (!query.trim()) return {}
    if (query.trim().startsWith('{')) {
      const { start, end } = absoluteTimeRange!
      const found = await searchTempo(query, start, end, limit)
      return {
        searchResult: found.map((trace) => ({
          traceId: trace.traceId,
          rootServiceName: trace.service,
          rootTraceName: trace.name,
          startTimeUnixMs: trace.start,
          durationMs: trace.duration,
          serviceStats: Object.fromEntries(trace.services.map((service) => [service, { spanCount: 0 }])),
        })),
      }
    }
    const id = cleanTraceId(query)
    if (!id) throw new Error(`“${query}” is no trace id: that has 32 hexadecimal digits, as in the header X-Trace-Id of a response.`)
    return { trace: (await fetchOtlp(store, id)) as TraceData['trace'] }
  },
}
