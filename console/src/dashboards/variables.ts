import { useQueries } from '@tanstack/react-query'
import { useMemo } from 'react'
import { useSearchParams } from 'react-router-dom'
import { labelValues } from '../backends/prometheus'
import type { Dashboard, Variable } from './grafana'

export const all = '$__all'
export interface Choice {
  variable: Variable
  values: string[]
  options: string[]
  /** All stands for options that are not there yet. */
  pending?: boolean
  error?: Error
}
export type Choices = Record<string, Choice>

const written = ({ query }: Variable) => (typeof query === 'string' ? query : query.query)
export const labelQuery = (variable: Variable) => /^label_values\((.+),\s*(\w+)\)$/.exec(written(variable))

/** The variables of a dashboard, their options from Prometheus, their values from the address bar. */
export function useChoices(dashboard: Dashboard, from: Date, to: Date): Choices {
  const [parameters] = useSearchParams()
  const variables = (dashboard.templating?.list ?? []).filter(({ type }) => type !== 'datasource') // the console has one of each
  // A new option is worth no query at each refresh.
  const minute = Math.floor(to.getTime() / 60_000)
  const options = useQueries({
    queries: variables.map((variable) => {
      const [, metric = '', label = ''] = labelQuery(variable) ?? []
      return {
        queryKey: ['labelValues', metric, label, minute, to.getTime() - from.getTime()],
        queryFn: () => labelValues(label, metric, from, to),
        enabled: variable.type === 'query',
      }
    }),
  })
  const key = JSON.stringify([parameters.toString(), options.map(({ data, error, isInitialLoading }) => [data, String(error), isInitialLoading])])
  return useMemo(
    () =>
      Object.fromEntries(
        variables.map((variable, i) => {
          const given = parameters.getAll(`var-${variable.name}`).filter(Boolean)
          const values = given.length ? given : [variable.current?.value ?? ''].flat()
          return [
            variable.name,
            {
              variable,
              values: variable.multi ? values : values.slice(0, 1),
              options: variable.type === 'custom' ? written(variable).split(',') : (options[i]?.data ?? []),
              pending: values.includes(all) && !variable.allValue && options[i]?.isInitialLoading,
              error: (options[i]?.error as Error | null) ?? undefined,
            },
          ]
        }),
      ),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key stands for both
    [dashboard, key],
  )
}

const reference = /\$\{(\w+)(?::\w+)?\}|\$(\w+)/g
/** The value as a regular expression within a quoted string of PromQL, LogQL or TraceQL, which escape as JSON does. */
const quoted = (value: string) => JSON.stringify(value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).slice(1, -1)

function queryValue({ variable, values: chosen, options }: Choice): string {
  const everything = chosen.includes(all)
  if (everything && (variable.allValue || options.length === 0)) return variable.allValue ?? '.+'
  const values = everything ? options : chosen
  if (!variable.multi) return values[0] ?? ''
  return values.length === 1 ? quoted(values[0]!) : `(${values.map(quoted).join('|')})`
}

/** Puts the values into a query; Perses knows what to do with $__rate_interval and its like. */
export const interpolate = (query: string, choices: Choices) =>
  query.replace(reference, (whole, braced?: string, bare?: string) => {
    const choice = choices[braced ?? bare ?? '']
    return choice ? queryValue(choice) : whole
  })

/** Puts values into a Grafana link, and turns it into one of the console. */
export const link = (url: string, values: Record<string, string>) =>
  url
    .replace(/\$\{([\w.]+)\}/g, (whole, name: string) => (name === '__url_time_range' ? (values[name] ?? '') : encodeURIComponent(values[name] ?? whole)))
    .replace(/[?&]$/, '')
    .replace(/^\/d\//, '/dashboards/')
