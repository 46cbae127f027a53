import type { X509Source } from '@countersign/spiffe'

/** The key of the capability that only sources made for tests have. */
export const injectedCaller: unique symbol = Symbol('countersign.injectedCaller')

/** What makes a source one for tests. */
export interface Injecting {
  /** The chain of the caller of the request being handled, DER, leaf first; asked once for each such request. */
  readonly [injectedCaller]: () => readonly Uint8Array[] | undefined
}

/**
 * A source that accepts callers who never spoke TLS: what a test kit implements so that routes can be tested without a
 * network. A guard with such a source refuses to listen beyond loopback.
 */
export interface InjectingSource extends X509Source, Injecting {}

/** Whether a source was made for tests. */
export function isInjectingSource(source: object): source is Injecting {
  return injectedCaller in source
}
