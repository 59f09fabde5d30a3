const palette = ['#1473e6', '#e8820c', '#2e9d5b', '#a347c9', '#0d9aa5', '#c2487b', '#7a6a16', '#5361d1']
const given: Record<string, number> = { 'login-api': 0, 'user-rpc': 2, 'audit-mq': 1 }

/** A service's colour, the same on every page. */
export function colorOf(service: string): string {
  let hash = given[service] ?? 3
  if (given[service] === undefined) for (const letter of service) hash = (hash * 31 + letter.codePointAt(0)!) >>> 0
  return palette[hash % palette.length]!
}
