// A fault is started from the menu and ended there. Each panel with a time axis then
// bears the marks of its begin and its end.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, panel, shows, screenshot, eventually }) {
  /** Waits until so many messages were in the queue so many seconds ago, as Prometheus has it. */
  const queued = (holds, ago = 0) =>
    eventually(async () => {
      const query = new URLSearchParams({ query: `sum(rabbitmq_message_current{rabbitmq_queue_name="user.events.audit"} offset ${ago}s)` })
      const answer = await page.request.get(`${given.url}/proxy/prometheus/api/v1/query?${query}`)
      const messages = Number((await answer.json()).data.result[0]?.value[1])
      assert.ok(holds(messages), `${messages} messages are in the queue`)
    }, 120_000)

  await open('/search')
  const menu = page.locator('[data-fault]')
  const faults = page.getByRole('dialog', { name: 'Faults' })
  await menu.click()
  await faults.getByText('stop-loki', { exact: true }).waitFor()
  await screenshot('faults-menu')
  await queued((messages) => messages === 0) // those of another test
  await faults.getByRole('button', { name: '5 min' }).click()
  await faults.getByRole('button', { name: /^slow-consumer/ }).click()
  await page.locator('[data-fault=slow-consumer]').waitFor()
  await queued((messages) => messages > 100)
  await menu.click()
  await page.getByRole('button', { name: 'End it now' }).click()
  await page.locator('[data-fault=""]').waitFor({ timeout: 60_000 })
  assert.equal(await page.getByRole('alert').count(), 0, 'it did not fail')
  const ended = Date.now()
  await queued((messages) => messages === 0 && Date.now() - ended > 15_000, 15) // a step of the chart ago: the picture shows it

  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await open('/dashboards/message-flow?from=now-5m&refresh=30s')
    for (const title of ['Queue depth', 'Time in queue']) {
      const chart = await shows(title, ['ready'], 60_000)
      for (const mark of ['slow-consumer begins', 'slow-consumer ends'])
        await eventually(async () => assert.equal(await chart.locator(`[data-mark="${mark}"]`).count(), 1, `“${mark}” on ${title}`))
    }
    await screenshot(`faults-${colorScheme}`)
    if (colorScheme === 'light') {
      const { y, height } = await panel('Queue depth').boundingBox()
      await screenshot('faults', { clip: { x: 0, y: y - 8, width: 1280, height: height + 16 } }) // the README's picture
    }
  }
}
