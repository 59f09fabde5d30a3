// The score of each service, with what breaks a rule, and the way to its trace.
import assert from 'node:assert/strict'

export default async function ({ page, given, open, eventually, parameter, screenshot }) {
  await open('/flow')
  await page.getByRole('navigation').getByRole('link', { name: 'Score' }).click()
  const ready = page.locator('[data-page=score][data-state=ready]')
  await ready.waitFor()
  assert.equal(new URL(page.url()).pathname, '/score')
  // What other tests have broken on purpose is older.
  await open(`/score?last=${Math.floor((Date.now() - given.at) / 1000)}s`)
  await ready.waitFor()
  const service = (name) => page.locator(`[data-service=${JSON.stringify(name)}]`)

  for (const name of ['login-api', 'user-rpc', 'audit-mq']) {
    const broken = await service(name).locator('[data-passed=false]').allInnerTexts()
    assert.deepEqual(broken, [], `${name} breaks no rule`)
    for (const rule of ['SPA-004', 'MET-001', 'MET-004', 'LOG-002']) assert.equal(await service(name).locator(`[data-rule="${rule}"]`).count(), 1, `${name} ${rule}`)
  }
  await service('user-rpc').locator('[data-custom]').getByText('sql.method').waitFor()
  await page.locator('[data-not-computed]').getByRole('link', { name: 'SPA-003' }).waitFor()

  await page.getByRole('button', { name: '1h' }).click()
  await eventually(() => assert.equal(parameter('last'), '1h'))
  await ready.waitFor()

  await open(`/score?service=${given.scored}`)
  await ready.waitFor()
  assert.equal(await page.locator('[data-service]').count(), 1)
  const orphans = service(given.scored).locator('[data-rule="SPA-002"]')
  assert.equal(await orphans.getAttribute('data-passed'), 'false')
  for (const [key, verdict] of [
    ['db.name', 'deprecated'],
    ['http.nonsense', 'unknown'],
    ['server.port', 'wrong type'],
  ])
    assert.equal(await service(given.scored).locator(`[data-attribute="${key}"]`).getAttribute('data-verdict'), verdict)
  await page.emulateMedia({ colorScheme: 'light' })
  await screenshot('score', { fullPage: true })
  await page.emulateMedia({ colorScheme: 'dark' })
  await screenshot('score-dark', { fullPage: true })
  await page.emulateMedia({ colorScheme: null })

  await orphans.locator('[data-trace-link]').click()
  await eventually(() => assert.match(new URL(page.url()).pathname, /^\/trace\/[0-9a-f]{32}$/))
  await page.locator('[data-finding="orphan span"]').first().waitFor()
}
