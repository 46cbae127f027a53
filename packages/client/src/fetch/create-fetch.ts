import { CallError, ConfigurationError, type SubjectSource, type X509Source } from '@countersign/core'
import { type Dispatcher, fetch, type Request, type Response } from 'undici'
import { adoptRequest, type FetchInit } from './adopt-request.ts'
import { createDialingDispatcher, type DispatcherOptions } from './create-dispatcher.ts'

/** The result of `createFetch`: `fetch`, and a method to close it. */
export interface Fetch {
  (input: string | URL | Request | globalThis.Request, init?: FetchInit): Promise<Response>
  /** Waits for running requests, then closes. */
  close(): Promise<void>
  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Creates a `fetch` that presents the current certificate, and only to servers among `servers`. Every request,
 * including redirects, goes to a verified server or fails. If servers are identified by host name, a redirect to
 * another host fails.
 *
 * If the server was the reason, it rejects with a `CallError` where the global `fetch` rejects with a `TypeError`.
 * Responses are undici's, not instances of the global `Response`.
 *
 * @throws {ConfigurationError} the message names the option, its value and the fix
 * @throws {SourceError} if the source has no valid certificate
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

// The host name is the only evidence of which server was meant, so the responding server must not choose another.
function bindToOrigin(dispatcher: Dispatcher, input: string | URL | Request): Dispatcher {
  const { origin } = new URL(input instanceof URL || typeof input === 'string' ? input : input.url)
  return dispatcher.compose((dispatch) => (options, handler) => {
    const found = String(options.origin)
    if (found === origin) return dispatch(options, handler)
    const message = `${found} was not called: found a redirect to another host, expected one within ${origin}`
    throw new CallError('server_unexpected', message, { reason: 'redirect_refused', server: found })
  })
}

// undici wraps the error of a connection as the cause of its own.
function findCallError(error: unknown): CallError | undefined {
  if (!(error instanceof Error) || error instanceof CallError) return undefined
  return error.cause instanceof CallError ? error.cause : undefined
}

function refuseDispatcher(): never {
  const message =
    'fetch: found a dispatcher, expected none, because it would choose the server, the certificate and the proxy; to use your own, call undici directly'
  throw new ConfigurationError('option_invalid', message)
}
