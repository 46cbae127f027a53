import type { IncomingMessage } from 'node:http'
import type { GuardedRequest } from '@countersign/core/adapter'
import type { RequestHeaders } from '@countersign/core'

/** The target of a request inside Express. */
export interface Target {
  /** What the routers match, including the mount path that Express removed. */
  readonly url: string
  /** The target as received. Differs from `url` if a middleware rewrote it. */
  readonly originalUrl: string
}

interface RoutedRequest {
  readonly baseUrl?: unknown
  readonly originalUrl?: unknown
}

/** Returns what the routers match, including the mount path that Express removed. */
export function readUrl(request: IncomingMessage & RoutedRequest): string {
  const { url = '', baseUrl } = request
  return typeof baseUrl === 'string' && baseUrl !== '' ? readTarget(request).url : url
}

/** Restores the target that Express splits when it enters a mounted router. */
export function readTarget(request: IncomingMessage & RoutedRequest): Target {
  const { url = '', baseUrl, originalUrl: original } = request
  const originalUrl = typeof original === 'string' ? original : url
  if (typeof baseUrl !== 'string' || baseUrl === '') return { url, originalUrl }
  // At the mount path itself, Express adds a slash that was not received.
  const hasAddedSlash = originalUrl === baseUrl + url.slice(1) && /^\/(?:\?|$)/.test(url)
  return { url: hasAddedSlash ? originalUrl : baseUrl + url, originalUrl }
}

/** Returns the request as the guard reads it, with the target that the routers match. */
export function viewRequest(request: IncomingMessage, url: string): GuardedRequest {
  return request.url === url ? request : new MountedRequest(request, url)
}

class MountedRequest implements GuardedRequest {
  readonly url: string
  readonly #request: IncomingMessage

  constructor(request: IncomingMessage, url: string) {
    this.url = url
    this.#request = request
  }

  get received(): object {
    return this.#request
  }

  get method(): string | undefined {
    return this.#request.method
  }

  get headers(): RequestHeaders {
    return this.#request.headers
  }

  get rawHeaders(): readonly string[] {
    return this.#request.rawHeaders
  }

  get httpVersionMajor(): number {
    return this.#request.httpVersionMajor
  }

  get socket(): object {
    return this.#request.socket
  }
}
