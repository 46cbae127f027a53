import type { PolicyFacts, RequestHeaders } from '@countersign/authorization'

/** The values that a question states about a hypothetical request. */
export interface StatedFacts {
  readonly headers?: RequestHeaders
  readonly host?: string
  readonly port?: number
  readonly socketAddress?: string
  readonly remoteAddress?: string
  /** True if a proxy forwards the request, so that the peer's address is not the caller's. */
  readonly isProxied: boolean
}

/** Creates the policy facts of a hypothetical request. A value that is not stated is not known. */
export function createHypotheticalFacts(stated: StatedFacts): PolicyFacts {
  const { headers, host, port, socketAddress, remoteAddress, isProxied } = stated
  return {
    headerLines: (name) => (headers === undefined ? undefined : findLines(headers, name)),
    host,
    port,
    socketAddress,
    remoteAddress: remoteAddress ?? (isProxied ? undefined : socketAddress),
  }
}

function findLines(headers: RequestHeaders, name: string): readonly string[] {
  return Object.entries(headers).flatMap(([key, value]) =>
    key.toLowerCase() === name && value !== undefined ? value : [],
  )
}
