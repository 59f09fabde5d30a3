import { get } from './request'
import type { Labels } from './prometheus'

export interface LogLine {
  /** Nanoseconds, as Loki writes them. */
  time: string
  line: string
  labels: Labels
}
interface Answer<T> {
  data: { resultType: string; result: T[] }
}

const nanoseconds = (date: Date) => `${date.getTime()}000000`

/** The newest lines first. */
export async function logs(query: string, from: Date, to: Date, limit = 100): Promise<LogLine[]> {
  const { data } = await get<Answer<{ stream: Labels; values: [string, string][] }>>('loki', 'loki/api/v1/query_range', {
    query,
    limit,
    start: nanoseconds(from),
    end: nanoseconds(to),
    direction: 'backward',
  })
  return data.result
    .flatMap(({ stream, values }) => values.map(([time, line]) => ({ time, line, labels: stream })))
    .sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0))
}

export interface LogSeries {
  labels: Labels
  values: [number, number][]
}

export async function logMetric(query: string, from: Date, to: Date, stepSeconds: number): Promise<LogSeries[]> {
  const { data } = await get<Answer<{ metric: Labels; values: [number, string][] }>>('loki', 'loki/api/v1/query_range', {
    query,
    start: nanoseconds(from),
    end: nanoseconds(to),
    step: stepSeconds,
  })
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    values: values.map(([time, value]) => [time * 1000, Number(value)]),
  }))
}

/** Every line that bears the trace's id, from a minute before it to a minute after it. */
export const logsOfTrace = async (traceId: string, from: number, to: number) =>
  (await logs(`{service_name=~".+"} | trace_id="${traceId}"`, new Date(from - 60_000), new Date(to + 60_000), 1000)).reverse()
