// A trace says what its time went into and what is wrong with it, and a link is followed there and back.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, eventually, screenshot }) {
  await open(`/trace/${given.trace}?span=${given.span}`)
  const spent = page.locator('[data-spent]')
  const parts = spent.locator('tbody tr')
  await parts.first().waitFor()
  const shares = (await parts.locator('td:nth-child(2)').allInnerTexts()).map((text) => Number(/([\d.]+) %/.exec(text)[1]))
  assert.deepEqual(shares, shares.toSorted((a, b) => b - a), 'the largest part is first')
  assert.ok(shares.reduce((sum, share) => sum + share) > 60, `${shares}`)
  assert.ok((await page.locator('[data-critical]').count()) > 3, 'the critical path is drawn')
  await page.locator('[data-details]').getByText('of it, itself').waitFor()
  await page.locator('[data-findings="0"]').getByText('No findings').waitFor()
  await screenshot('trace-spent')

  await page.getByRole('button', { name: 'or a typical one' }).click()
  await page.locator('[data-compare]').getByText('POST /v1/login').waitFor()
  assert.equal(await page.locator('[data-compare] tbody tr').count(), 8, 'spans of two logins, in pairs')
  assert.match(new URL(page.url()).searchParams.get('with'), /^[0-9a-f]{32}$/)
  await screenshot('trace-compared')
  await page.getByRole('button', { name: 'End the comparison' }).click()

  await page.locator(`[data-linked-from="${given.linkedFrom}"]`).getByRole('link').click()
  await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.linkedFrom}`))
  await page.getByRole('treeitem').first().click()
  await page.locator('[data-details]').getByRole('link', { name: given.trace }).click()
  await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.trace}`))

  await open(`/trace/${given.broken}`)
  const finding = page.locator('[data-finding="orphan span"]')
  await finding.getByRole('button', { name: /has the parent .+, which no store has/ }).click()
  await page.locator('[data-details]').waitFor()
  await screenshot('trace-findings')
  const opened = page.waitForEvent('popup')
  await finding.getByRole('link', { name: /^docs\// }).click()
  const docs = await opened
  const { pathname, hash } = new URL(docs.url())
  assert.equal(pathname + hash, `/${await finding.getByRole('link', { name: /^docs\// }).innerText()}`)
  assert.ok(await docs.locator(hash).isVisible(), 'the page has the section')
  await docs.screenshot({ path: `${given.screenshots}/docs.png` })
  await docs.close()

  for (const store of ['tempo', 'jaeger']) {
    await open(`/trace/${given.trace}?span=${given.span}&from=${store}`)
    await page.locator(`[data-linked-from="${given.batch}"]`).getByRole('link').click()
    await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.batch}`))
    await open(`/trace/${given.batch}?from=${store}`)
    await page.getByRole('treeitem').first().click()
    await page.getByRole('button', { name: 'Show all 1000' }).click()
    await page.locator('[data-details]').getByRole('link', { name: given.trace }).click()
    await eventually(() => assert.equal(new URL(page.url()).pathname, `/trace/${given.trace}`))
  }
}
