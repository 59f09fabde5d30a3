// Where faults are not allowed, there is no menu, and the server refuses.
import assert from 'node:assert/strict'

export default async function ({ page, open, expect }) {
  await open('/flow')
  await page.getByRole('button', { name: 'Elsewhere' }).waitFor() // which knows what the menu would
  assert.equal(await page.locator('[data-fault]').count(), 0)
  expect(/status of 404/)
  for (const [method, path] of [['GET', '/api/faults'], ['POST', '/api/faults'], ['POST', '/api/faults/end']]) {
    const status = await page.evaluate(async ([method, path]) => (await fetch(path, { method, body: method === 'POST' ? '{"name":"slow-consumer","seconds":60}' : undefined })).status, [method, path])
    assert.equal(status, 404, `${method} ${path}`)
  }
}
