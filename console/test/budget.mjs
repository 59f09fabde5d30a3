// The first page is light, and quick when the browser knows it.
import assert from 'node:assert/strict'

const megabyte = 1e6

export default async function ({ page, open, shows }) {
  const sizes = []
  page.on('response', (response) => {
    if (!response.url().includes('/proxy/')) sizes.push(response.request().sizes())
  })
  await open('/')
  await shows('Logins')
  const bytes = (await Promise.all(sizes)).reduce((sum, { responseBodySize }) => sum + responseBodySize, 0)
  assert.ok(bytes > 0 && bytes <= 1.5 * megabyte, `the first page takes ${bytes} bytes`)

  const began = Date.now()
  await open('/')
  await shows('Logins')
  // Told, not checked: how long it takes depends on what else the machine does.
  console.log(`first page: ${(bytes / megabyte).toFixed(2)} MB compressed; ${Date.now() - began} ms until its first panel when the browser knows it`)
}
