import { CallError, ConfigurationError, type SubjectSource, type X509Source } from '@countersign/core'
import { type Dispatcher, fetch, Headers, Request, type RequestInit, type Response } from 'undici'
import { adoptRequest, type AdoptedRequest, type FetchInit } from './adopt-request.ts'
import { createDialingDispatcher, type DispatcherOptions, serverOf } from './create-dispatcher.ts'
import { createTokens, type JwtSvidOptions, type JwtSvidTokens, refuseOwnAuthorization } from './jwt-svid-tokens.ts'

/** Options of `createFetch`. */
export interface FetchOptions extends DispatcherOptions {
  /**
   * Sends a JWT-SVID of this workload with each call, as `Authorization: Bearer`, for services behind a proxy that
   * terminates TLS. A redirect to another origin does not carry it. Default: none, because a service that sees our
   * certificate needs no token, and any recipient of a token can use it until it expires.
   */
  readonly jwtSvid?: JwtSvidOptions
}

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
export function createFetch(source: X509Source | SubjectSource, options: FetchOptions): Fetch {
  const dispatcher = createDialingDispatcher(source, options, 'createFetch', ['jwtSvid'])
  const { jwtSvid } = options
  const tokens = jwtSvid === undefined ? undefined : createTokens(source, jwtSvid, 'createFetch: jwtSvid')
  const isByHost = !Array.isArray(options.servers)
  const call = async (input: string | URL | Request | globalThis.Request, init?: FetchInit): Promise<Response> => {
    if (init?.dispatcher !== undefined) refuseDispatcher()
    const adopted = adoptRequest(input, init)
    const carrier = isByHost ? bindToOrigin(dispatcher, adopted.input) : dispatcher
    try {
      return await fetch(adopted.input, { ...adopted.init, ...(await authorize(adopted, tokens)), dispatcher: carrier })
    } catch (error) {
      throw findCallError(error) ?? error
    }
  }
  const close = (): Promise<void> => dispatcher.close()
  return Object.assign(call, { close, [Symbol.asyncDispose]: close })
}

/** Returns the headers of a request with our token, which `fetch` removes when it is redirected to another origin. */
async function authorize(
  { input, init }: AdoptedRequest,
  tokens: JwtSvidTokens | undefined,
): Promise<Pick<RequestInit, 'headers'>> {
  if (tokens === undefined) return {}
  const isRequest = input instanceof Request
  const headers = new Headers(init.headers ?? (isRequest ? input.headers : undefined))
  if (headers.has('authorization')) refuseOwnAuthorization(serverOf(isRequest ? input.url : String(input)))
  headers.set('authorization', `Bearer ${await tokens.find()}`)
  return { headers }
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
