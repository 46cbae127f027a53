import { SpiffeId } from '@countersign/spiffe'
import { isOptions, parseOptions, refuseValue } from '@countersign/spiffe/options'
import {
  compileRouteRequirement,
  exactSemantics,
  explainDecision,
  type Explanation,
  type PathSemantics,
  type RequestHeaders,
  type Requirement,
} from '@countersign/authorization'
import type { ParsedGuardOptions } from './guard-options.ts'
import { createHypotheticalPrincipal, createHypotheticalSubject } from './principal/create-principal.ts'
import type { Principal } from './principal/principal.ts'

/** A hypothetical request. */
export interface ExplainQuestion {
  /**
   * The caller's SPIFFE ID, or its common name or DNS name where callers are identified by that. Null for an
   * unauthenticated caller.
   */
  readonly caller: string | null
  readonly method: string
  /** The path as it would be sent, percent-encoded. */
  readonly path: string
  /** The route's own requirement, if it has one. */
  readonly allow?: Requirement | readonly string[]
  /** Headers for custom requirements. Default: none. */
  readonly headers?: RequestHeaders
  /** How the router reads paths. Default: exact matching. */
  readonly semantics?: PathSemantics
  /** How another router in front of the handler reads paths. If the two would decide differently, the request is denied. Default: there is none. */
  readonly otherSemantics?: PathSemantics
}

/**
 * Explains what the guard would decide, using the functions that decide real requests. The principal is hypothetical
 * and is never part of the result.
 *
 * @throws {SpiffeIdError} if callers are identified by SPIFFE ID and `caller` is not one
 * @throws {ConfigurationError} if the question is incomplete or `allow` is not a requirement
 */
export function explainQuestion(question: ExplainQuestion, options: ParsedGuardOptions): Explanation {
  checkQuestion(question)
  const { caller, method, path, allow, headers, semantics = exactSemantics, otherSemantics } = question
  const { rules, localTrustDomain } = options
  const principal = caller === null ? null : suppose(caller, options)
  const routeAllow =
    allow === undefined ? undefined : compileRouteRequirement(allow, { where: 'explain: allow', localTrustDomain })
  const request = { principal, method, path, headers: headers ?? {}, semantics, otherSemantics, routeAllow }
  return explainDecision({ rules: rules.current(), ...request })
}

function checkQuestion(question: unknown): void {
  const names = ['caller', 'method', 'path', 'allow', 'headers', 'semantics', 'otherSemantics']
  const { caller, method, path, headers, semantics, otherSemantics } = parseOptions(question, names, 'explain')
  if (caller !== null && typeof caller !== 'string') {
    refuseValue(
      'explain: caller',
      caller,
      'the name of the caller, such as its SPIFFE ID, or null if it is not authenticated',
    )
  }
  if (typeof method !== 'string' || method === '')
    refuseValue('explain: method', method, "an HTTP method such as 'GET'")
  if (typeof path !== 'string') refuseValue('explain: path', path, "the path of a request, such as '/internal/billing'")
  if (headers !== undefined && !isOptions(headers)) refuseValue('explain: headers', headers, 'an object of headers')
  checkSemantics(semantics, 'explain: semantics')
  checkSemantics(otherSemantics, 'explain: otherSemantics')
}

function checkSemantics(semantics: unknown, where: string): void {
  if (semantics === undefined) return
  if (!isOptions(semantics))
    refuseValue(where, semantics, 'an object that describes how the router reads paths, or undefined')
  const { foldCase, foldTrailingSlash } = semantics
  if (foldCase !== false && foldCase !== 'ascii' && foldCase !== 'unicode' && foldCase !== 'expression') {
    refuseValue(`${where}.foldCase`, foldCase, "false, 'ascii', 'unicode' or 'expression'")
  }
  if (typeof foldTrailingSlash !== 'boolean') {
    refuseValue(`${where}.foldTrailingSlash`, foldTrailingSlash, 'true or false')
  }
}

function suppose(caller: string, options: ParsedGuardOptions): Principal | null {
  const { scope } = options
  if (scope.kind === 'subject') {
    const name = scope.identity.spell(caller)
    const authorities = scope.identity.find(name)
    return authorities === undefined ? null : createHypotheticalSubject(name, authorities)
  }
  const spiffeId = SpiffeId.parse(caller)
  const isAccepted = scope.trustDomains.includes(spiffeId.trustDomain) && spiffeId.path !== ''
  return isAccepted ? createHypotheticalPrincipal(spiffeId, options) : null
}
