import { get } from './request'

export type Labels = Record<string, string>
export interface Sample {
  labels: Labels
  value: number
}
export interface Exemplar {
  traceId: string
  spanId?: string
  labels: Labels
  value: number
  time: number
}
interface Answer<T> {
  data: T
}

export async function instant(query: string, signal?: AbortSignal): Promise<Sample[]> {
  const { data } = await get<Answer<{ result: { metric: Labels; value: [number, string] }[] }>>('prometheus', 'api/v1/query', { query }, signal)
  return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}

export async function labelValues(label: string, metric: string, from: Date, to: Date): Promise<string[]> {
  const { data } = await get<Answer<string[]>>('prometheus', `api/v1/label/${encodeURIComponent(label)}/values`, {
    'match[]': metric,
    start: from.getTime() / 1000,
    end: to.getTime() / 1000,
  })
  return data.sort()
}

export async function exemplars(query: string, from: Date, to: Date): Promise<Exemplar[]> {
  interface Series {
    seriesLabels: Labels
    exemplars: { labels: Labels; value: string; timestamp: number }[]
  }
  const { data } = await get<Answer<Series[]>>('prometheus', 'api/v1/query_exemplars', {
    query,
    start: from.getTime() / 1000,
    end: to.getTime() / 1000,
  })
  const seen = new Set<string>()
  return data.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.flatMap(({ labels, value, timestamp }) => {
      const traceId = labels.trace_id
      if (!traceId || seen.has(`${traceId}${labels.span_id}`)) return []
      seen.add(`${traceId}${labels.span_id}`)
      return { traceId, spanId: labels.span_id, labels: seriesLabels, value: Number(value), time: timestamp * 1000 }
    }),
  )
}
