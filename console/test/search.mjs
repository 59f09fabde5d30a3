// A login is found in both stores, by what a person knows of it.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, parameter, eventually, screenshot }) {
  // Who begins to write before the store has named its services is not disturbed by their names.
  let answer
  const asked = new Promise((resolve) => (answer = resolve))
  const list = /\/proxy\/jaeger\/api\/v3\/services$/
  await page.route(list, async (route) => {
    await asked
    await route.continue()
  })
  await open('/search?store=jaeger')
  const service = page.getByRole('combobox', { name: 'Service' })
  await service.click()
  const named = page.waitForResponse(list)
  answer()
  await named
  await page.getByRole('option', { name: 'login-api' }).waitFor()
  await page.keyboard.type('user-rpc')
  assert.equal(await service.inputValue(), 'user-rpc')
  await page.unroute(list)

  for (const store of ['tempo', 'jaeger']) {
    // The second in which it was: a page of results has 50 traces, and the tests before may have made many.
    await open(`/search?store=${store}&from=${given.at - 1000}&to=${given.at + 1000}`)
    await page.getByRole('combobox', { name: 'Service' }).fill('login-api')
    await page.getByRole('combobox', { name: 'Operation' }).fill('POST /v1/login')
    await page.keyboard.press('Escape')
    await page.getByLabel('Attributes').fill('http.route=/v1/login')
    await page.getByRole('button', { name: 'Search' }).click()
    const found = page.locator('[data-traces]').getByTitle(given.trace)
    await found.waitFor()
    assert.equal(parameter('operation'), 'POST /v1/login')
    const starts = await page.locator('[data-traces] tbody td:nth-child(2)').allInnerTexts()
    assert.deepEqual(starts, starts.toSorted().reverse(), 'the newest first')
    await page.getByRole('button', { name: 'Duration' }).click()
    await eventually(() => assert.equal(parameter('sort'), 'duration'))
    await found.waitFor()
    await screenshot(`search-${store}`)
    await found.click()
    await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.trace}`))
    await page.locator('[data-page=trace][data-state=ready]').waitFor()
    await eventually(async () => assert.equal(await page.getByRole('treeitem').count(), 8, 'spans of a login'))
  }
  await page.getByRole('button', { name: 'Difference' }).click()
  await page.getByText('Jaeger and Tempo hold the same 8 spans').waitFor()

  await open(`/traces/${given.trace}?from=jaeger`)
  await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.trace}`))
  assert.equal(parameter('from'), 'jaeger')
  await page.locator('[data-page=trace][data-state=ready]').waitFor()

  await open('/search?store=tempo&min=59m')
  await page.getByText(/No trace of this time matches/).waitFor()
}
