import { decide, type DecisionRequest } from './decide.ts'
import { createDenial, type Decision } from './denial.ts'
import { exactSemantics, type PathSemantics } from './path-semantics.ts'
import type { RequestHeaders } from './requirement.ts'
import type { RuleSet } from './rules.ts'
import { type CanonicalTarget, createTargetParser, type TargetRefusal } from './target.ts'

/** A request as plain data. */
export interface PathRequest extends Omit<DecisionRequest, 'target' | 'message' | 'semantics'> {
  /** The target as it would be sent: percent-encoded, with or without a query. */
  readonly path: string
  /** The headers, which only custom requirements read. Default: none. */
  readonly headers?: RequestHeaders
  /** How the router reads the path. Default: exact matching. */
  readonly semantics?: PathSemantics
}

/**
 * Decides a request given as plain data, including the check of its path. Use it in tools, tests and browser pages,
 * where there is no server. Never throws and never waits.
 *
 * @example decidePath(rules, { method: 'GET', path: '/invoices/17', principal: null }).effect // 'deny'
 */
export function decidePath(rules: RuleSet, request: PathRequest): Decision {
  const { path, headers = {}, semantics = exactSemantics, ...rest } = request
  const target = parsePlainTarget(rules.knownMethods, rest.method, path)
  if (!target.accepted) return createDenial(target.reason, target.detail)
  return decide(rules, { ...rest, target, semantics, message: { headers } })
}

/** Parses the method and path of a hypothetical request. */
export function parsePlainTarget(
  knownMethods: ReadonlySet<string>,
  method: string,
  path: string,
): CanonicalTarget | TargetRefusal {
  // A real request also has a Host header.
  const host = { httpVersionMajor: 1, rawHeaders: ['Host', 'localhost'] }
  return createTargetParser(knownMethods)({ method, url: path, ...host })
}
