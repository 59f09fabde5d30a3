// The theme changes on the spot: from the system's to light, to dark, and back.
import assert from 'node:assert/strict'

export default async function ({ page, open, eventually }) {
  await open('/search')
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await background()
  for (const [now, next] of [
    ['system', 'light'],
    ['light', 'dark'],
    ['dark', 'system'],
  ]) {
    await page.getByRole('button', { name: `Theme: ${now}` }).click()
    await page.getByRole('button', { name: `Theme: ${next}` }).waitFor()
    await eventually(async () => assert.equal((await background()) === light, next !== 'dark', next))
  }
}
