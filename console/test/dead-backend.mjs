// Tempo is stopped: what needs it says so and what to do, and all else works.
export default async function ({ page, given, open, shows, expect, panel }) {
  expect(/status of 502/)
  const explanation = /Tempo does not answer at .*make status/
  await open(`/trace/${given.trace}?from=tempo`)
  await page.getByRole('alert').filter({ hasText: explanation }).waitFor()
  await open(`/trace/${given.trace}?from=jaeger`)
  await page.getByText('user.User/GetUserByMobile').first().waitFor()
  await open(`/search?store=tempo`)
  await page.getByRole('alert').filter({ hasText: explanation }).waitFor()

  await open(`/dashboards/trace-and-logs?var-trace_id=${given.trace}`)
  await shows('The trace in Tempo', ['error'])
  await panel('The trace in Tempo').getByText(explanation).waitFor()
  await shows('The trace in Jaeger')
  await shows('Logs of the trace')

  await open('/flow')
  await page.locator('[data-part=Tempo][data-health=bad]').getByText('does not answer').waitFor()
  await page.locator('[data-part=Jaeger]:not([data-health=bad])').waitFor()
}
