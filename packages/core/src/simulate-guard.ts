import {
  type AccessMatrix,
  CellDecider,
  compileRules,
  type CredentialKind,
  exactSemantics,
  type Explanation,
  isCredentialKind,
  type Layers,
  type MatrixCell,
  type PolicySet,
  type Rule,
} from '@countersign/authorization'
import { SpiffeId } from '@countersign/spiffe'
import { isCallable, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'
import { answerMatrix, findDerivedCallers, type MatrixQuestion } from './answer-matrix.ts'
import { challengeDenial, findChallenge } from './challenge-denial.ts'
import {
  type ExplainContext,
  type ExplainOptions,
  explainQuestion,
  type ExplainQuestion,
  supposeCredential,
} from './explain-question.ts'
import { PolicyRevisions } from './policy-revisions.ts'
import { createPossibleWorkloads } from './principal/possible-callers.ts'
import { parseNamespaces, parseTrustDomains } from './trust-options.ts'

/** Options of `simulateGuard`, named as in `createGuard`. */
export interface SimulateOptions {
  /** The SPIFFE ID of the service. */
  readonly own: string
  /** The trust domains whose callers are authenticated. Default: the one of `own`. */
  readonly trustDomains?: readonly string[]
  /** The namespaces whose service accounts get the short authority. Default: the one of `own`. */
  readonly namespaces?: readonly string[]
  /** Returns further authorities of a caller, by its SPIFFE ID. Default: none. */
  readonly authorities?: (id: string) => readonly string[]
  readonly rules?: readonly Rule[]
  readonly policies?: PolicySet
  /** True to simulate permissive mode. Default: false. */
  readonly permissive?: boolean
  /** The credentials that callers may use. Default: only `'x509-svid'`. */
  readonly credentials?: readonly CredentialKind[]
}

/** A guard without a source and a server, for tools and tests of policies. */
export interface GuardSimulation {
  /** The SPIFFE ID of the service. */
  readonly own: string
  /** The rules and policies that are enforced. */
  readonly layers: Layers
  /** Identifies the content of the policies. */
  readonly revision: string | undefined
  /** Explains, layer by layer, how a hypothetical request would be decided. */
  explain(question: ExplainQuestion): Explanation
  /** Returns who may call what. */
  accessMatrix(question?: MatrixQuestion): AccessMatrix
  /**
   * Decides a request of which only the caller, the method and the path are known, as in a decision log. Returns
   * `depends` if the decision depends on more, such as a header.
   */
  decide(question: Pick<ExplainQuestion, 'caller' | 'credential' | 'method' | 'path'>): MatrixCell
}

/**
 * Simulates the guard of a service, with the functions that decide real requests.
 *
 * @throws {ConfigurationError} if an option is not valid, or `createGuard` would refuse the rules or policies
 * @throws {SpiffeIdError} if `own` is not a SPIFFE ID
 * @example
 * simulateGuard({ own: 'spiffe://saas.example/ns/production/sa/billing', rules }).accessMatrix()
 */
export function simulateGuard(options: SimulateOptions): GuardSimulation {
  const { own, permissive, ...parsed } = parseSimulation(options)
  const challenge = findChallenge(parsed.callers.credentials.has('jwt-svid'))
  const context: ExplainContext = {
    options: parsed,
    isPermissive: permissive,
    challenge: (denial) => challengeDenial(denial, challenge),
  }
  const layers = parsed.revisions.latest.current()
  const callers = findDerivedCallers(parsed)
  const decider = new CellDecider({ layers, callers, semantics: exactSemantics, hasAuthorizer: false })
  return Object.freeze({
    own: own.toString(),
    layers,
    revision: parsed.revisions.latest.revision,
    explain: (question: ExplainQuestion) => explainQuestion(question, context),
    accessMatrix: (question: MatrixQuestion = {}) => answerMatrix(question, context),
    decide: (question: Pick<ExplainQuestion, 'caller' | 'credential' | 'method' | 'path'>) => {
      const { principal, authentication } = supposeCredential(question, context)
      const isDenied = authentication?.denial !== undefined
      const { method, path } = question
      return decider.decide({ principal: isDenied ? undefined : principal, method, path, allow: undefined })
    },
  })
}

const knownOptions: readonly string[] = [
  'own',
  'trustDomains',
  'namespaces',
  'authorities',
  'rules',
  'policies',
  'permissive',
  'credentials',
]

function parseSimulation(
  input: SimulateOptions,
): ExplainOptions & { readonly own: SpiffeId; readonly permissive: boolean } {
  const where = 'simulateGuard'
  parseOptions(input, knownOptions, where)
  const { own: text, rules, policies, permissive = false, authorities: added, credentials } = input
  if (typeof text !== 'string') refuseValue(`${where}: own`, text, 'the SPIFFE ID of the service')
  if (typeof permissive !== 'boolean') refuseValue(`${where}: permissive`, permissive, 'true or false')
  if (added !== undefined && !isCallable(added)) refuseValue(`${where}: authorities`, added, 'a function')
  const own = SpiffeId.parse(text)
  const localTrustDomain = own.trustDomain
  const trustDomains = parseTrustDomains(
    input.trustDomains === undefined ? [localTrustDomain] : input.trustDomains,
    where,
  )
  const namespaces = parseNamespaces(input.namespaces, own, where)
  const authorities: ExplainOptions['authorities'] = added && (({ spiffeId }) => added(spiffeId.toString()))
  const callers = createPossibleWorkloads(
    trustDomains,
    { localTrustDomain, namespaces, authorities },
    parseCredentials(credentials === undefined ? ['x509-svid'] : credentials, `${where}: credentials`),
  )
  const compiled = rules === undefined ? undefined : compileRules(rules, { localTrustDomain, callers })
  return {
    own,
    permissive,
    revisions: new PolicyRevisions(policies, { localTrustDomain, callers, rules: compiled }),
    credentials: { forwarded: undefined, jwtSvid: undefined },
    scope: { kind: 'spiffe', localTrustDomain, trustDomains },
    localTrustDomain,
    callers,
    namespaces,
    authorities,
    authorizer: undefined,
  }
}

function parseCredentials(input: unknown, where: string): ReadonlySet<CredentialKind> {
  const kinds = parseStringList(input, where)
  const bad = kinds.find((kind) => !isCredentialKind(kind))
  if (bad !== undefined) refuseValue(where, bad, "kinds of credentials, such as 'x509-svid' or 'jwt-svid'")
  return new Set(kinds.filter(isCredentialKind))
}
