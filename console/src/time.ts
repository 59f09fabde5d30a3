import { useCallback, useEffect, useMemo, useState } from 'react'
import { useSearchParams } from 'react-router-dom'

/** A time range as the address bar has it: `now-30m` to `now`, or milliseconds since the epoch. */
export interface Range {
  from: string
  to: string
}

const units: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 7 * 86400e3 }
export const relative = /^now(?:-(\d+)([smhdw]))?$/

export function moment(written: string, now = Date.now()): Date {
  const [, amount, unit] = relative.exec(written) ?? []
  if (relative.test(written)) return new Date(now - Number(amount ?? 0) * (units[unit ?? 's'] ?? 0))
  return new Date(/^\d+$/.test(written) ? Number(written) : written)
}

const isMoment = (written: string | null): written is string => !!written && !Number.isNaN(moment(written).getTime())

export const milliseconds = (duration: string) => {
  const [, amount, unit] = /^(\d+)([smhdw])$/.exec(duration) ?? []
  return Number(amount ?? 0) * (units[unit ?? ''] ?? 0)
}

/** The address bar's parameters, and how to change some of them: an empty one is left out. */
export function useAddress(): [URLSearchParams, (changes: Record<string, string | string[] | undefined>) => void] {
  const [parameters, setParameters] = useSearchParams()
  const change = useCallback(
    (changes: Record<string, string | string[] | undefined>) =>
      setParameters(
        (current) => {
          const next = new URLSearchParams(current)
          for (const [name, value] of Object.entries(changes)) {
            next.delete(name)
            for (const one of Array.isArray(value) ? value : value ? [value] : []) next.append(name, one)
          }
          return next
        },
        { replace: true },
      ),
    [setParameters],
  )
  return [parameters, change]
}

export function useRange(otherwise: Range): Range {
  const [parameters] = useSearchParams()
  const from = parameters.get('from')
  const to = parameters.get('to')
  return useMemo(
    () => ({ from: isMoment(from) ? from : otherwise.from, to: isMoment(to) ? to : otherwise.to }),
    [from, to, otherwise.from, otherwise.to],
  )
}

export const describe = ({ from, to }: Range) => {
  const [, amount, unit] = relative.exec(from) ?? []
  if (to === 'now' && amount) return `Last ${amount} ${{ s: 'seconds', m: 'minutes', h: 'hours', d: 'days', w: 'weeks' }[unit!]}`
  return `${local(moment(from))} to ${local(moment(to))}`
}

export const local = (date: Date) =>
  date.toLocaleString('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' })

export const clock = (time: number | Date) =>
  new Date(time).toLocaleTimeString('sv-SE', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }).replace(',', '.')

/** A duration in microseconds, with three digits that matter. */
export function duration(micros: number): string {
  const [value, unit] =
    micros < 1000 ? [micros, 'µs'] : micros < 1e6 ? [micros / 1e3, 'ms'] : micros < 60e6 ? [micros / 1e6, 's'] : [micros / 60e6, 'min']
  return `${Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 2 })} ${unit}`
}

/** The duration of a trace that a search found, in milliseconds: of a shorter one Tempo says 0. */
export const found = (millis: number) => (millis === 0 ? '< 1 ms' : duration(millis * 1000))

export const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : 's'}`

export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · Throughline`
  }, [title])
}

export function useDebounced<T>(value: T, wait = 400): T {
  const [settled, settle] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait)
    return () => clearTimeout(timer)
  }, [value, wait])
  return settled
}
