/**
 * Rules, requirements and decisions, as pure functions. Works on its own, also in a browser.
 *
 * @module @countersign/authorization
 */
export { type Account, readAccount } from './account.ts'
export { assumePrincipal } from './assume-principal.ts'
export type {
  Authorizer,
  AuthorizerAnswer,
  AuthorizerCache,
  AuthorizerPrincipal,
  AuthorizerQuestion,
} from './authorizer.ts'
export { compileRouteRequirement, type CompiledRequirement, type RequirementContext } from './compile-requirement.ts'
export {
  decide,
  decideRequirement,
  decideRoute,
  decideRules,
  isSplitElsewhere,
  type DecisionRequest,
} from './decide.ts'
export { decidePath, type PathRequest } from './decide-path.ts'
export { type Allowed, createDenial, type Decision, type Denial, type DenialCode, type DenialReason } from './denial.ts'
export {
  explainDecision,
  type ExplainedAuthentication,
  type ExplainedLayer,
  type Explanation,
  type ExplainRequest,
} from './explain.ts'
export { runInTurns, type Turns } from './in-turns.ts'
export type { AccessMatrix, AskedRoute, MatrixCell, MatrixRoute, MatrixRow } from './matrix/access-matrix.ts'
export { type AccessMatrixOptions, createAccessMatrix } from './matrix/create-access-matrix.ts'
export { type CellContext, CellDecider, type CellQuestion } from './matrix/decide-cell.ts'
export type { LoggedRequest } from './matrix/matrix-usage.ts'
export { isCredentialKind, parseRequirement } from './parse-requirement.ts'
export type { SegmentPattern } from './path-pattern.ts'
export { compileCallerPatterns, parseCallerPattern } from './pattern.ts'
export { type CompiledPolicy, describePolicy } from './policy/compile-policy.ts'
export { compilePolicies, compilePoliciesInTurns, type PolicyContext } from './policy/compile-policies.ts'
export { decideLayers, decidePolicies, findAllowingPolicy, type Layers } from './policy/decide-policies.ts'
export type { PolicyMiss } from './policy/explain-policies.ts'
export type { MatchOutcome } from './policy/field-test.ts'
export { matchPolicy, type PolicyMatch } from './policy/match-policy.ts'
export { parsePolicies } from './policy/parse-policies.ts'
export type { Policy, PolicyFrom, PolicyHeader, PolicyTo } from './policy/policy.ts'
export type { CompiledPolicySet } from './policy/policy-set.ts'
export type { PolicyFacts } from './policy/policy-facts.ts'
export { createReplaceablePolicies, type ReplaceablePolicies } from './policy/replaceable-policies.ts'
export type { PolicyNotice, PolicySet, PolicySource } from './policy/policy-source.ts'
export { type CallerSet, intersect, type PossibleCallers } from './possible-callers.ts'
export type { CredentialKind, Principal } from './principal.ts'
export { exactSemantics, type PathSemantics } from './path-semantics.ts'
export {
  allOf,
  anonymous,
  anyOf,
  authenticated,
  callers,
  custom,
  type CustomTest,
  denyAll,
  hasAllAuthorities,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  permitAll,
  perRoute,
  provenBy,
  type RequestFacts,
  type RequestHeaders,
  type Requirement,
  serviceAccounts,
} from './requirement.ts'
export { checkRule, type CompiledRule, describeRule, type Rule } from './rule.ts'
export { compileRules, compileRulesInTurns, type RuleSet } from './rules.ts'
export { type CanonicalTarget, createTargetParser, parsePath, type TargetRefusal } from './target.ts'
