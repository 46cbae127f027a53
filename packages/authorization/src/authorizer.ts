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

/** What an authorizer is asked about: plain, frozen data of bounded size. */
export interface AuthorizerQuestion {
  /** Null for an anonymous caller. */
  readonly principal: AuthorizerPrincipal | null
  readonly method: string
  /**
   * The path without the query, decoded once; an encoded slash stays `%2F`. Its case and a trailing slash are as
   * received, also if the router ignores them, as Express does by default. A policy that lists what is forbidden has to
   * ignore them too; one that lists what is allowed is on the safe side.
   */
  readonly path: string
  /** The host of the request in lower case, without the port. */
  readonly host: string
  /** The lines of the headers that the option `headers` lists, by their names in lower case. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** The revision of the policies that allowed the request so far, if the guard has policies. */
  readonly revision?: string
}

/**
 * The answer of an authorizer. `undefined` means that the engine's policy has no result, and denies. The reason is
 * written to the log and never sent to the caller.
 */
export type AuthorizerAnswer = boolean | undefined | { readonly allow: boolean; readonly reason?: string }

/** Keeps the answers of an authorizer for a while. */
export interface AuthorizerCache {
  /**
   * Returns everything that an answer depends on, besides the caller and the revision of the policies, which are always
   * part of the key. For example the method, the path and the headers that the policy reads.
   */
  readonly key: (question: AuthorizerQuestion) => readonly string[]
  /**
   * How long an answer counts, from the moment at which the question was asked: milliseconds, or text such as `'500ms'`
   * or `'30s'`. At most an hour. There is no default, because it is how long a withdrawn permission still works.
   */
  readonly ttl: number | string
  /** The most answers that are kept. Default: 10,000. */
  readonly maxEntries?: number
  /** The most memory that keys and answers may use. Default: 4 MiB. */
  readonly maxBytes?: number
}

/** An engine that decides about requests which everything else allows. It can only deny. */
export interface Authorizer {
  /** The name in denials, events and explanations. */
  readonly name: string
  /**
   * Decides about a request. Anything but a valid answer in time denies: an exception, a malformed answer, `undefined`.
   * The signal is aborted when the answer no longer matters, because time is up or the caller disconnected.
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
   * The most calls in flight. Further requests are denied with status 503. A call counts until it settles or its time is
   * up, even if its caller disconnects. Default: 100.
   */
  readonly maxConcurrent?: number
  /**
   * The most calls in flight for one caller, so that it cannot use up `maxConcurrent`. All anonymous callers count as
   * one. Default: 20.
   */
  readonly maxConcurrentPerCaller?: number
  /** Default: every request is asked about. */
  readonly cache?: AuthorizerCache
}
