import { describe, expect, test } from 'vitest'
import { convert } from './convert'
import { dashboards } from './grafana'
import { interpolate, labelQuery, link, type Choices } from './variables'

describe.each(dashboards)('$title', ({ panels, templating }) => {
  test.each(panels)('$title can be shown', (panel) => {
    const { missing, plugin, queries } = convert(panel)
    expect(missing).toEqual([])
    expect(plugin.kind).not.toBe('Missing')
    expect(queries((query) => query).length).toBeGreaterThanOrEqual(panel.targets.length)
  })

  test('its variables are understood', () => {
    for (const variable of templating?.list ?? []) {
      expect(['query', 'custom', 'textbox']).toContain(variable.type)
      if (variable.type === 'query') expect(labelQuery(variable)).toBeTruthy()
    }
  })
})

test('what cannot be shown is named', () => {
  const panel = { id: 1, title: 'x', gridPos: { x: 0, y: 0, w: 1, h: 1 }, targets: [] }
  expect(convert({ ...panel, type: 'geomap' }).missing).toEqual(['type geomap'])
  expect(convert({ ...panel, type: 'stat', fieldConfig: { defaults: { unit: 'furlong' }, overrides: [] } }).missing).toEqual(['unit furlong'])
})

test('variables are put into queries and links', () => {
  const variable = { name: 'queue', type: 'query', query: '', multi: true, allValue: '.+' }
  const choose = (...values: string[]): Choices => ({ queue: { variable, values, options: [] } })
  expect(interpolate('x{q=~"$queue"}[$__rate_interval]', choose('$__all'))).toBe('x{q=~".+"}[$__rate_interval]')
  expect(interpolate('x{q=~"${queue}"}', choose('a.b'))).toBe('x{q=~"a\\\\.b"}')
  expect(interpolate('$queue', choose('a', 'b'))).toBe('(a|b)')
  expect(link('/d/rabbitmq?var-queue=${__value.raw}&${__url_time_range}', { '__value.raw': 'a&b', __url_time_range: 'from=1&to=2' })).toBe(
    '/dashboards/rabbitmq?var-queue=a%26b&from=1&to=2',
  )
})
