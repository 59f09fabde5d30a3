// From a point on a chart to its trace, on to a line of its log, and from a line back to a trace.
import assert from 'node:assert/strict'

const whole = (page) => page.locator('[data-page=trace][data-state=ready]')

export default async function ({ page, open, shows, eventually }) {
  await open('/dashboards/message-flow?refresh=5s&var-service=login-api') // whose traces have lines
  const chart = await shows('Latency of each hop, 95th percentile', ['ready'], 60_000)
  const point = chart.getByRole('link', { name: /^Trace [0-9a-f]{32}$/ }).last()
  const [, id] = (await point.getAttribute('aria-label')).split(' ')
  await point.focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(new RegExp(`/trace/${id}`))
  await whole(page).waitFor()

  // The lines stand below their spans.
  const line = page.locator('[data-span-log]').first()
  await line.getByRole('button', { name: 'Fields of this line' }).click()
  await line.getByText(id).waitFor()

  await open('/dashboards/message-flow?refresh=off') // or the first line may be another when it is clicked
  const logs = await shows('Logs of the flow')
  const link = logs.getByRole('link', { name: 'trace' }).first()
  const trace = await link.getAttribute('title')
  await link.click()
  await page.waitForURL(new RegExp(`/trace/${trace}\\?span=[0-9a-f]{16}`))
  await whole(page).waitFor()
  await eventually(async () => assert.equal(await page.getByRole('treeitem', { selected: true }).count(), 1, 'the span of the line is chosen'))
}
