export type Store = 'prometheus' | 'loki' | 'tempo' | 'jaeger'

/** What a store, or the proxy before it, answered instead of data. */
export class BackendError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export type Parameters = Record<string, string | number | undefined>

export function get<T>(store: Store, path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<T> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined && value !== '') query.set(name, String(value))
  return read(`/proxy/${store}/${path}${query.size ? `?${query}` : ''}`, store, { signal })
}

/** Reads JSON from the console's server; who is what gets the blame. */
export async function read<T>(path: string, who: string, { signal, ...request }: RequestInit = {}): Promise<T> {
  const response = await fetch(path, { headers: { Accept: 'application/json' }, signal, ...request }).catch((error: unknown) => {
    if (signal?.aborted) throw error
    throw new BackendError(0, 'The console does not answer: `make up` starts it.')
  })
  const text = await response.text()
  if (!response.ok) throw new BackendError(response.status, messageOf(text) || `${who} answered ${response.status}`)
  try {
    return JSON.parse(text) as T
  } catch {
    throw new BackendError(response.status, `${who} answered something other than JSON`)
  }
}

function messageOf(text: string): string {
  try {
    const body = JSON.parse(text)
    const error = body.error ?? body.message
    return typeof error === 'string' ? error : (error?.message ?? text)
  } catch {
    return text.length < 300 && !text.startsWith('<') ? text.trim() : ''
  }
}
