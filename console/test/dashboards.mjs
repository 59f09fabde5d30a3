// Every dashboard opens, and every panel shows data.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, shows, screenshot, eventually }) {
  for (const { uid, title, panels } of given.dashboards) {
    await open(`/dashboards/${uid}?refresh=10s&var-trace_id=${given.trace}&var-slower_than=50ms`)
    await page.getByRole('tab', { name: title, exact: true, selected: true }).waitFor()
    await eventually(async () => assert.equal(await page.locator('[data-panel]').count(), panels.length, `panels of ${title}`))
    for (const panel of panels) {
      // A rate needs two values, which take some seconds to arrive.
      await shows(panel.title, panel.emptyIsHealthy ? ['ready', 'empty'] : ['ready'], 60_000)
    }
    await page.evaluate(() => scrollTo(0, 0))
    await screenshot(`dashboard-${uid}`, { fullPage: true })
  }
}
