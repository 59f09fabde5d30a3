import type { LogLine } from '../backends/loki'
import { colors } from './convert'
import type { Annotation } from './grafana'

/** A moment on every panel that has a time axis, such as the begin of a fault. */
export interface Mark {
  time: number
  title: string
  text: string
  color?: string
}

/** A line as Grafana makes a mark of it. */
export function markOf({ titleFormat = '', textFormat = '', iconColor = '' }: Annotation, { time, line, labels }: LogLine): Mark {
  const written = (format: string) => format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => labels[label] ?? '')
  return { time: Number(BigInt(time) / 1_000_000n), title: written(titleFormat), text: written(textFormat) || line, color: colors[iconColor] }
}
