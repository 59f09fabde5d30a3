// A login is found in both stores, by what a person knows of it.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, parameter, eventually, screenshot }) {
  for (const store of ['tempo', 'jaeger']) {
    // The few seconds in which it was: no page of results shows all logins.
    await open(`/search?store=${store}&from=${given.at - 3000}&to=${given.at + 1000}`)
    await page.getByRole('combobox', { name: 'Service' }).fill('login-api')
    await page.getByRole('combobox', { name: 'Operation' }).fill('POST /v1/login')
    await page.keyboard.press('Escape')
    await page.getByLabel('Attributes').fill('http.route=/v1/login')
    await page.getByRole('button', { name: 'Search' }).click()
    const found = page.locator('[data-traces]').getByTitle(given.trace)
    await found.waitFor()
    assert.equal(parameter('operation'), 'POST /v1/login')
    await screenshot(`search-${store}`)
    await found.click()
    await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.trace}`))
    await page.locator('[data-page=trace][data-state=ready]').waitFor()
    await eventually(async () => assert.equal(await page.getByRole('treeitem').count(), 8, 'spans of a login'))
  }
  await page.getByRole('button', { name: 'Difference' }).click()
  await page.getByText('Jaeger and Tempo hold the same 8 spans').waitFor()

  await open('/search?store=tempo&min=59m')
  await page.getByText(/No trace of this time matches/).waitFor()
}
