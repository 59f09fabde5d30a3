// A trace that is not there, and what is no trace id, are explained.
export default async function ({ page, open, expect }) {
  expect(/status of 404/)
  for (const store of ['tempo', 'jaeger']) {
    await open(`/trace/${'0'.repeat(31)}1?from=${store}`)
    await page.getByRole('alert').filter({ hasText: new RegExp(store, 'i') }).waitFor()
  }
  await open('/trace/nonsense')
  await page.getByRole('alert').filter({ hasText: /32 hexadecimal digits/ }).waitFor()
}
