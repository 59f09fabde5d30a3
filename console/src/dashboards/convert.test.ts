import { formatValue, type FormatOptions } from '@perses-dev/core'
import { describe, expect, test } from 'vitest'
import { colors, convert } from './convert'
import { dashboards, isRow } from './grafana'
import { markOf } from './mark'
import { interpolate, labelQuery, link, type Choices } from './variables'

describe.each(dashboards)('$title', ({ annotations, panels, templating }) => {
  test.each(panels.filter((panel) => !isRow(panel)))('$title can be shown', (panel) => {
    const { missing, plugin, queries } = convert(panel)
    expect(missing).toEqual([])
    expect(plugin.kind).not.toBe('Missing')
    expect(queries((query) => query).length).toBeGreaterThanOrEqual(panel.targets.length)
  })

  test('its marks can be shown', () => {
    for (const { datasource, expr, iconColor = '' } of annotations?.list ?? []) {
      expect(datasource.type).toBe('loki')
      expect(expr).not.toContain('$')
      expect(colors[iconColor]).toBeTruthy()
    }
  })

  test('its variables are understood', () => {
    for (const variable of templating?.list ?? []) {
      expect(['query', 'custom', 'textbox', 'datasource']).toContain(variable.type)
      if (variable.type === 'query') expect(labelQuery(variable)).toBeTruthy()
    }
  })
})

test('what cannot be shown is named', () => {
  const panel = { id: 1, title: 'x', gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [] }
  expect(convert({ ...panel, type: 'geomap' }).missing).toEqual(['type geomap'])
  expect(convert({ ...panel, type: 'stat', fieldConfig: { defaults: { unit: 'furlong' }, overrides: [] } }).missing).toEqual(['unit furlong'])
})

test('a count has all its digits', () => {
  const { plugin } = convert({
    ...{ id: 1, title: 'x', type: 'stat', gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [] },
    fieldConfig: { defaults: { unit: 'none', decimals: 0 }, overrides: [] },
  })
  expect(formatValue(1500, (plugin.spec as { format: FormatOptions }).format)).toBe('1,500')
})

test('a series is drawn as its name says', () => {
  const override = (id: string, options: string, fixedColor: string) => ({ matcher: { id, options }, properties: [{ id: 'color', value: { mode: 'fixed', fixedColor } }] })
  const { paints, missing } = convert({
    ...{ id: 1, title: 'x', type: 'timeseries', gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [] },
    fieldConfig: { defaults: {}, overrides: [override('byName', 'internal', 'red'), override('byRegexp', '/ 5..$/', 'orange'), override('byName', 'x', 'mauve')] },
  })
  expect(missing).toEqual(['color mauve'])
  const colorOf = (name: string) => paints.find(({ matches }) => matches(name))?.color
  expect([colorOf('internal'), colorOf('GET /x 503'), colorOf('success')]).toEqual(['#d93636', '#e8820c', undefined])
})

test('a line becomes a mark', () => {
  const line = { time: '1764417600123456789', line: 'slow-consumer begins: it is slow', labels: { fault_name: 'slow-consumer', fault_phase: 'begins' } }
  const annotation = { name: 'Faults', datasource: { type: 'loki', uid: '' }, enable: true, expr: '{}', titleFormat: '{{fault_name}} {{ fault_phase }}{{other}}', iconColor: 'red' }
  expect(markOf(annotation, line)).toEqual({ time: 1764417600123, title: 'slow-consumer begins', text: line.line, color: '#d93636' })
  expect(markOf({ ...annotation, textFormat: '{{fault_name}}!' }, line).text).toBe('slow-consumer!')
})

test('variables are put into queries and links', () => {
  const variable = { name: 'queue', type: 'query', query: '', multi: true, allValue: '.+' }
  const choose = (...values: string[]): Choices => ({ queue: { variable, values, options: ['a', 'b'] } })
  expect(interpolate('x{q=~"$queue"}[$__rate_interval]', choose('$__all'))).toBe('x{q=~".+"}[$__rate_interval]')
  const { allValue, ...withoutAll } = variable
  expect(interpolate('$queue', { queue: { variable: withoutAll, values: ['$__all'], options: ['a', 'b'] } })).toBe('(a|b)')
  expect(interpolate('x{q=~"${queue}"}', choose('a.b'))).toBe('x{q=~"a\\\\.b"}')
  expect(interpolate('$queue', choose('a', 'b'))).toBe('(a|b)')
  expect(interpolate('x{q=~"$queue"}', choose('["a\\b\n'))).toBe(String.raw`x{q=~"\\[\"a\\\\b\n"}`) // any client's service.name
  expect(link('/d/rabbitmq?var-queue=${__value.raw}&${__url_time_range}', { '__value.raw': 'a&b', __url_time_range: 'from=1&to=2' })).toBe(
    '/dashboards/rabbitmq?var-queue=a%26b&from=1&to=2',
  )
})
