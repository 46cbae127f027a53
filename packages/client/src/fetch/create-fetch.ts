import { CallError, ConfigurationError, type SubjectSource, type X509Source } from '@countersign/core'
import { type Dispatcher, fetch, type Request, type Response } from 'undici'
import { adoptRequest, type FetchInit } from './adopt-request.ts'
import { createDialingDispatcher, type DispatcherOptions } from './create-dispatcher.ts'

/** What `createFetch` gives: `fetch`, and how to end it. */
export interface Fetch {
  (input: string | URL | Request | globalThis.Request, init?: FetchInit): Promise<Response>
  /** Waits for what runs, and ends. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Creates a `fetch` that presents the current certificate to servers among `servers`, and to nobody else: every request,
 * those of redirects included, goes to a verified server or fails. With host names a redirect to another host fails.
 *
 * Where the global one rejects with a `TypeError`, this one rejects with a `CallError` when the server was the reason.
 * Its responses are those of undici, not instances of the global `Response`.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid certificate
 * @example
 * const fetch = createFetch(source, { servers: ['spiffe://saas.example/ns/production/sa/billing'] })
 * const invoices = await (await fetch('https://billing:8443/internal/billing/invoices')).json()
 */
export function createFetch(source: X509Source | SubjectSource, options: DispatcherOptions): Fetch {
  const dispatcher = createDialingDispatcher(source, options, 'createFetch')
  const isByHost = !Array.isArray(options.servers)
  const call = async (input: string | URL | Request | globalThis.Request, init?: FetchInit): Promise<Response> => {
    if (init?.dispatcher !== undefined) refuseDispatcher()
    const adopted = adoptRequest(input, init)
    const carrier = isByHost ? bindToOrigin(dispatcher, adopted.input) : dispatcher
    try {
      return await fetch(adopted.input, { ...adopted.init, dispatcher: carrier })
    } catch (error) {
      throw findCallError(error) ?? error
    }
  }
  const close = (): Promise<void> => dispatcher.close()
  return Object.assign(call, { close, [Symbol.asyncDispose]: close })
}

// A host name is all that says who was meant: whoever answers may not name another.
function bindToOrigin(dispatcher: Dispatcher, input: string | URL | Request): Dispatcher {
  const { origin } = new URL(input instanceof URL || typeof input === 'string' ? input : input.url)
  return dispatcher.compose((dispatch) => (options, handler) => {
    const found = String(options.origin)
    if (found === origin) return dispatch(options, handler)
    const message = `${found} was not called: found a redirect to another host, expected one within ${origin}`
    throw new CallError('server_unexpected', message, { reason: 'redirect_refused', server: found })
  })
}

// What a connection failed with is the cause of what undici makes of it.
function findCallError(error: unknown): CallError | undefined {
  if (!(error instanceof Error) || error instanceof CallError) return undefined
  return error.cause instanceof CallError ? error.cause : undefined
}

function refuseDispatcher(): never {
  const message =
    'fetch: found a dispatcher, expected none: it would decide who is called, by whom and through which proxy; use undici for that'
  throw new ConfigurationError('option_invalid', message)
}
