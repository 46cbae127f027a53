import type { X509Source } from '../trust/x509-source.ts'

/** The key of the capability that only sources made for tests have. */
export const injectedCaller: unique symbol = Symbol('countersign.injectedCaller')

/**
 * A source that accepts callers who never spoke TLS: what a test kit implements so that routes can be tested without a
 * network. A guard with such a source refuses to listen beyond loopback.
 */
export interface InjectingSource extends X509Source {
  /** The chain of the caller of the request being handled, DER, leaf first; asked once for each such request. */
  readonly [injectedCaller]: () => readonly Uint8Array[] | undefined
}

/** Whether a source was made for tests. */
export function isInjectingSource(source: X509Source): source is InjectingSource {
  return injectedCaller in source
}
