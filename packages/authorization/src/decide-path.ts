import { decide, type DecisionRequest } from './decide.ts'
import { createDenial, type Decision } from './denial.ts'
import { exactSemantics, type PathSemantics } from './path-semantics.ts'
import type { RequestHeaders } from './requirement.ts'
import type { RuleSet } from './rules.ts'
import { type CanonicalTarget, createTargetParser, type TargetRefusal } from './target.ts'

/** A request as plain data. */
export interface PathRequest extends Omit<DecisionRequest, 'target' | 'message' | 'semantics'> {
  /** The target as it would be sent, percent-encoded, with or without a query. */
  readonly path: string
  /** Default: none; only custom requirements look at them. */
  readonly headers?: RequestHeaders
  /** How the router reads the path. Default: by the letter. */
  readonly semantics?: PathSemantics
}

/**
 * Decides a request that is given as plain data, the check of its path included: without a server, for tools, tests and
 * pages. Never throws, never waits.
 *
 * @example decidePath(rules, { method: 'GET', path: '/invoices/17', principal: null }).effect // 'deny'
 */
export function decidePath(rules: RuleSet, request: PathRequest): Decision {
  const { path, headers = {}, semantics = exactSemantics, ...rest } = request
  const target = parsePlainTarget(rules, rest.method, path)
  if (!target.accepted) return createDenial(target.reason, target.detail)
  return decide(rules, { ...rest, target, semantics, message: { headers } })
}

/** Checks method and path of a request that need not exist. */
export function parsePlainTarget(rules: RuleSet, method: string, path: string): CanonicalTarget | TargetRefusal {
  // A Host header is what a real request would bring besides.
  const host = { httpVersionMajor: 1, rawHeaders: ['Host', 'localhost'] }
  return createTargetParser(rules.knownMethods)({ method, url: path, ...host })
}
