import type { X509Source } from '@countersign/spiffe'

/** The key of the capability that only sources made for tests have. */
export const injectedCaller: unique symbol = Symbol('countersign.injectedCaller')

/** The capability that marks a source as made for tests. */
export interface Injecting {
  /**
   * Returns the certificate chain of the current request's caller, as DER, leaf first. Called once for each such
   * request.
   */
  readonly [injectedCaller]: () => readonly Uint8Array[] | undefined
}

/**
 * A source that accepts callers without TLS. Test kits implement it so that routes can be tested without a network. A
 * guard with such a source refuses to listen beyond loopback.
 */
export interface InjectingSource extends X509Source, Injecting {}

/** Returns whether a source was made for tests. */
export function isInjectingSource(source: object): source is Injecting {
  return injectedCaller in source
}
