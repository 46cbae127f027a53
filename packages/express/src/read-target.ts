import type { IncomingMessage } from 'node:http'
import type { GuardedRequest } from '@countersign/core'

/** The target of a request inside Express. */
export interface Target {
  /** What the routers match: with the mount path that Express has cut off. */
  readonly url: string
  /** As received; differs from `url` where a middleware rewrote it. */
  readonly originalUrl: string
}

/** Puts together what Express takes apart when it enters a mounted router. */
export function readTarget(request: IncomingMessage): Target {
  const { url = '' } = request
  const baseUrl: unknown = Reflect.get(request, 'baseUrl')
  const original: unknown = Reflect.get(request, 'originalUrl')
  const originalUrl = typeof original === 'string' ? original : url
  if (typeof baseUrl !== 'string' || baseUrl === '') return { url, originalUrl }
  // At the mount path itself Express adds a slash that was not received.
  const hasAddedSlash = originalUrl === baseUrl + url.slice(1) && /^\/(?:\?|$)/.test(url)
  return { url: hasAddedSlash ? originalUrl : baseUrl + url, originalUrl }
}

/** The request as the guard reads it, with the target that the routers match. */
export function viewRequest(request: IncomingMessage, url: string): GuardedRequest {
  const { method, headers, rawHeaders, httpVersionMajor, socket } = request
  return { method, url, headers, rawHeaders, httpVersionMajor, socket }
}
