import type { CredentialKind } from './principal.ts'

/** The caller of a request, as an authorizer receives it. */
export interface AuthorizerPrincipal {
  readonly name: string
  readonly trustDomain?: string
  readonly namespace?: string
  readonly serviceAccount?: string
  readonly authorities: readonly string[]
  readonly credential: CredentialKind
}

/** The request that an authorizer decides: plain, frozen data of bounded size. */
export interface AuthorizerQuestion {
  /** Null for an anonymous caller. */
  readonly principal: AuthorizerPrincipal | null
  readonly method: string
  /**
   * The path without the query, decoded once; an encoded slash stays `%2F`. Case and a trailing slash are kept as
   * received, even if the router ignores them, as Express does by default. An engine that lists forbidden paths has to
   * ignore them too. An engine that lists allowed paths denies other spellings.
   */
  readonly path: string
  /** The host of the request in lower case, without the port. */
  readonly host: string
  /** The lines of the headers listed in the option `headers`, by lower-case name. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** The revision of the policies that allowed the request so far, if the guard has policies. */
  readonly revision?: string
}

/**
 * The answer of an authorizer. `undefined` means that the engine's policy has no result; the request is denied. The
 * reason is written to the log and never sent to the caller.
 */
export type AuthorizerAnswer = boolean | undefined | { readonly allow: boolean; readonly reason?: string }

/** Configures how long the answers of an authorizer are cached. */
export interface AuthorizerCache {
  /**
   * Returns everything that an answer depends on, such as the method, the path and the headers that the policy reads.
   * The caller and the revision of the policies are always part of the key.
   */
  readonly key: (question: AuthorizerQuestion) => readonly string[]
  /**
   * How long an answer is valid after the call began: milliseconds, or text such as `'500ms'` or `'30s'`. At most an
   * hour. There is no default, because a revoked permission still works for this long.
   */
  readonly ttl: number | string
  /** The maximum number of cached answers. Default: 10,000. */
  readonly maxEntries?: number
  /** The maximum memory for keys and answers, in bytes. Default: 4 MiB. */
  readonly maxBytes?: number
}

/** An engine that decides requests that all other layers allow. It can only deny. */
export interface Authorizer {
  /** The name in denials, events and explanations. */
  readonly name: string
  /**
   * Decides a request. The request is denied unless a valid answer arrives in time: an exception, a malformed answer
   * and `undefined` all deny. The signal is aborted on timeout, or when the caller disconnects.
   */
  readonly decide: (
    question: AuthorizerQuestion,
    call: { readonly signal: AbortSignal },
  ) => AuthorizerAnswer | PromiseLike<AuthorizerAnswer>
  /** The headers that `decide` receives. Default: none. */
  readonly headers?: readonly string[]
  /** How long an answer may take: milliseconds, or text such as `'250ms'` or `'1s'`. At most a minute. Default: `'1s'`. */
  readonly timeout?: number | string
  /**
   * The maximum number of calls in flight. Further requests are denied with status 503. A call counts until it settles
   * or times out, even if its caller disconnects. Default: 100.
   */
  readonly maxConcurrent?: number
  /**
   * The maximum number of calls in flight for one caller, so that it cannot exhaust `maxConcurrent`. All anonymous
   * callers count as one. Default: 20.
   */
  readonly maxConcurrentPerCaller?: number
  /** Default: no cache; `decide` is called for every request. */
  readonly cache?: AuthorizerCache
}
