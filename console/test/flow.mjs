// The picture of the architecture has every part, and a rate on every way between them.
import assert from 'node:assert/strict'

const parts = [
  ...['client', 'login-api', 'user-rpc', 'audit-mq'],
  ...['user.events', 'user.events.audit', 'retry queues', 'user.events.audit.dead'],
  ...['otel-collector', 'Jaeger', 'Tempo', 'Loki', 'Prometheus'],
]

export default async function ({ page, open, eventually }) {
  await open('/flow')
  await page.locator('[data-page=flow][data-state=ready]').waitFor()
  for (const part of parts) await page.getByRole('link', { name: new RegExp(`^${part.replaceAll('.', '\\.')}[:,] `) }).waitFor()
  await eventually(async () => {
    const labels = (await page.locator('.react-flow__edge-text').allTextContents()).filter(Boolean)
    assert.ok(labels.length >= parts.length - 1, `ways: ${labels}`)
    for (const label of labels) assert.match(label, /\d(\/s| \w+\/s)/)
    assert.doesNotMatch(await page.locator('[data-page=flow]').innerText(), /no data|no requests/)
    const [, logins] = /^client\W+([\d.]+) logins/.exec(await page.locator('[data-part=client]').getAttribute('aria-label')) ?? []
    assert.ok(Number(logins) > 0, `${logins} logins a second`)
  }, 60_000)

  await page.locator('[data-part=login-api]').click()
  await page.waitForURL(/dashboards\/services\?.*var-service=login-api/)
}
