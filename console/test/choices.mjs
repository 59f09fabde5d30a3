// The time range and the variables change what is asked and shown, and the address says so.
import assert from 'node:assert/strict'

export default async function ({ page, open, shows, parameter, eventually }) {
  await open('/dashboards/message-flow')
  await shows('Latency of each hop, 95th percentile', ['ready'], 60_000)

  // Expressions that the panels ask of Prometheus from here on.
  const asked = []
  page.on('request', (request) => {
    if (!request.url().includes('/proxy/prometheus/api/v1/query_range')) return
    asked.push(Object.fromEntries(new URLSearchParams(request.postData() ?? new URL(request.url()).search)))
  })

  await page.getByRole('combobox', { name: 'Service' }).click()
  await page.getByRole('option', { name: 'audit-mq' }).click()
  await page.keyboard.press('Escape')
  await eventually(() => assert.ok(asked.some(({ query }) => query.includes('audit-mq') && !query.includes('login-api'))))
  assert.equal(parameter('var-service'), 'audit-mq')
  await shows('Latency of each hop, 95th percentile')

  asked.length = 0
  await page.getByRole('button', { name: /last 30/i }).click()
  await page.getByRole('button', { name: '5m', exact: true }).click()
  await eventually(() => assert.ok(asked.some(({ start, end }) => Math.abs(end - start - 300) <= 60), JSON.stringify(asked.slice(0, 3))))
  assert.equal(parameter('from'), 'now-5m')
  await shows('Latency of each hop, 95th percentile')

  // A shared address shows the same, and before there was a stack there was nothing.
  await page.reload()
  await page.getByRole('button', { name: /last 5/i }).waitFor()
  await open('/dashboards/message-flow?from=1000000000000&to=1000000600000')
  await shows('Logins by result', ['empty'])
}
