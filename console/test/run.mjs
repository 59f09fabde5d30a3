// Plays one scenario of this directory in a real browser: node run.mjs <scenario>.
// internal/e2e starts it beside a stack of its own and tells it, as JSON in
// SCENARIO, where that is and what it holds. PACKAGES is where npm has installed.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

const { chromium } = createRequire(join(process.env.PACKAGES, 'package.json'))('playwright-core')
const name = process.argv[2]
const given = JSON.parse(process.env.SCENARIO)
const { default: scenario } = await import(`./${name}.mjs`)

const patience = 30_000
const profile = await mkdtemp(join(tmpdir(), 'throughline-browser-'))
await mkdir(given.screenshots, { recursive: true })
const context = await chromium.launchPersistentContext(profile, {
  executablePath: given.browser,
  headless: true,
  viewport: { width: 1280, height: 800 },
  reducedMotion: 'reduce',
  chromiumSandbox: false,
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const page = context.pages()[0] ?? (await context.newPage())
page.setDefaultTimeout(patience)

// What must not happen in any scenario.
const complaints = []
const expected = []
const complain = (text) => expected.some((pattern) => pattern.test(text)) || complaints.push(text)
context.on('request', (request) => {
  const { protocol, origin } = new URL(request.url())
  if (protocol.startsWith('http') && origin !== given.url) complain(`a request to another host: ${request.url()}`)
})
context.on('console', (message) => {
  if (message.type() === 'error') complain(`console: ${message.text()} (${message.location().url})`)
})
context.on('weberror', (error) => complain(`uncaught: ${error.error().stack}`))
await context.addInitScript(() => {
  addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) =>
    console.error(`against the policy: ${effectiveDirective} ${blockedURI} ${sourceFile}:${lineNumber}`),
  )
})

/** Tries until nothing is thrown any more, and throws what was thrown last. */
async function eventually(attempt, within = patience) {
  const end = Date.now() + within
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}

const tools = {
  page,
  given,
  eventually,
  open: (path) => page.goto(given.url + path),
  parameter: (key) => new URL(page.url()).searchParams.get(key),
  panel: (title) => page.locator(`[data-panel=${JSON.stringify(title)}]`),
  /** Waits until the panel shows what it should, which is data unless told otherwise. */
  async shows(title, states = ['ready'], within = patience) {
    const panel = tools.panel(title)
    await eventually(async () => {
      await panel.scrollIntoViewIfNeeded() // one that nobody has seen asks for nothing
      const state = await panel.getAttribute('data-state')
      assert.ok(states.includes(state), `panel “${title}” is ${state}, not ${states.join(' or ')}: ${(await panel.innerText()).slice(0, 300)}`)
    }, within)
    return panel
  },
  /** From here on, what matches is no surprise, such as the answers of a dead backend. */
  expect: (pattern) => expected.push(pattern),
  screenshot: (file, options) => page.screenshot({ path: join(given.screenshots, `${file}.png`), ...options }),
}

try {
  await scenario(tools)
  assert.equal(complaints.length, 0, 'the browser complained')
} catch (error) {
  process.exitCode = 1
  console.error(stripVTControlCharacters(error.stack))
  console.error(`at ${page.url()}`)
  for (const text of complaints) console.error(text)
  const picture = await tools.screenshot(`failed-${name}`).catch(() => undefined)
  if (picture) console.error(`the page as it was: ${join(given.screenshots, `failed-${name}.png`)}`)
} finally {
  await context.close()
  await rm(profile, { recursive: true, force: true })
}
