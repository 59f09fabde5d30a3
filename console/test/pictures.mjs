// The README's pictures.
export default async function ({ page, given, open, shows, screenshot, eventually }) {
  const minutes = Math.ceil((Date.now() - given.at) / 60_000) // as long as there has been traffic
  await open(`/dashboards/message-flow?from=now-${minutes}m&refresh=off`)
  for (const title of ['Logins', 'Logins by result', 'Latency of each hop, 95th percentile', 'Message flow']) await shows(title)
  await page.getByRole('link', { name: /^Trace / }).first().waitFor()
  await page.evaluate(() => scrollTo(0, 0))
  await screenshot('message-flow')

  await open(`/trace/${given.trace}`)
  await page.locator('[data-span-log]').first().waitFor()
  await screenshot('trace')

  await open('/flow')
  await page.locator('[data-page=flow][data-state=ready]').waitFor()
  await eventually(async () => {
    if (/no data/.test(await page.locator('[data-page=flow]').innerText())) throw new Error('a rate is missing')
  })
  await screenshot('flow')
}
