/** The part of Grafana's dashboard format that the console understands. */
export interface Dashboard {
  uid: string
  title: string
  description?: string
  time: { from: string; to: string }
  refresh?: string | false
  annotations?: { list: Annotation[] }
  templating?: { list: Variable[] }
  panels: Panel[]
}

/** A query of Loki, whose lines are marks on the panels. */
export interface Annotation {
  name: string
  datasource: { type: string; uid: string }
  enable: boolean
  iconColor?: string
  expr: string
  titleFormat?: string
  textFormat?: string
  tagKeys?: string
}

export interface Variable {
  name: string
  label?: string
  description?: string
  type: string
  query: string | { query: string }
  multi?: boolean
  includeAll?: boolean
  allValue?: string
  current?: { value: string | string[] }
}

export interface Step {
  color: string
  value: number | null
}
export interface DataLink {
  title: string
  url: string
}
export interface Mapping {
  type: string
  options: Record<string, unknown>
}
export interface Fields {
  unit?: string
  decimals?: number
  min?: number
  max?: number
  noValue?: string
  thresholds?: { mode: string; steps: Step[] }
  mappings?: Mapping[]
  links?: DataLink[]
  custom?: Record<string, unknown>
}
export interface Override {
  matcher: { id: string; options: string }
  properties: { id: string; value: unknown }[]
}
export interface Target {
  refId: string
  expr?: string
  query?: string
  queryType?: string
  serviceMapQuery?: string | string[]
  legendFormat?: string
  exemplar?: boolean
  format?: string
  limit?: number
  maxLines?: number
  tableType?: string
}
export interface Panel {
  id: number
  type: string
  title: string
  description?: string
  gridPos: { h: number; w: number; x: number; y: number }
  datasource?: { type: string; uid: string }
  fieldConfig?: {
    defaults: Fields
    overrides: Override[]
  }
  options?: Record<string, unknown>
  targets: Target[]
}

const files = import.meta.glob<Dashboard>('../../../grafana/dashboards/*.json', { eager: true, import: 'default' })

/** A row is a heading, and has no queries. */
export const isRow = ({ type }: Panel) => type === 'row'

/** All dashboards of grafana/dashboards; the flow of the messages is where to begin. */
export const dashboards: Dashboard[] = Object.values(files).sort(
  (a, b) => Number(b.uid === 'message-flow') - Number(a.uid === 'message-flow') || a.title.localeCompare(b.title),
)
