import { isAsyncFunction } from 'node:util/types'
import {
  ConfigurationError,
  type OwnCertificate,
  parseTrustDomain,
  type SubjectMaterial,
  type X509Material,
} from '@countersign/spiffe'
import { ownCertificateOf, SubjectIdentity } from '@countersign/spiffe/internal'
import {
  describeValue,
  isCallable,
  isRecord,
  parseDuration,
  parseOptions,
  parseStringList,
} from '@countersign/spiffe/options'
import {
  compileRules,
  type Denial,
  perRoute,
  type PossibleCallers,
  readAccount,
  type Rule,
  type RuleSet,
} from '@countersign/authorization'
import type { CountersignEvent } from './events.ts'
import type { MinVersion } from './connection/tls-options.ts'
import type { GuardSource } from './connection/material-gate.ts'
import type { GuardTrustScope } from './connection/trust-scope.ts'
import { checkSource, parseTlsVersion } from './connection/source-options.ts'
import { describeClientOnly, describeLongLife } from './connection/material-warnings.ts'
import type { VerifiedPeer } from './principal/create-principal.ts'
import { createPossibleSubjects, createPossibleWorkloads } from './principal/possible-callers.ts'

/** What `createGuard` takes. */
export interface GuardOptions {
  /** Where our own SVID and the bundles come from; or, together with `identity`, our own certificate and the CA. */
  readonly source: GuardSource
  /**
   * Ordered: the first rule that matches decides, and no match denies. Default: every path is decided by its own
   * route's `allow`, which works with Fastify only; Express needs rules.
   */
  readonly rules?: readonly Rule[]
  /** The trust domains whose callers are authenticated at all; those of which the source has no bundle are not, and a warning `bundle_empty` is reported for as long as it has none. Default: that of our own SVID at start, because a bundle that happens to be there is no decision to let its workloads in. */
  readonly trustDomains?: readonly string[]
  /** The local namespaces whose service accounts give `SERVICE_<service account>`. Default: that of our own SVID. */
  readonly namespaces?: readonly string[]
  /** Gives authorities besides the derived ones; federated callers have no others. Called once per certificate; what it throws denies. */
  readonly authorities?: (peer: VerifiedPeer) => readonly string[]
  /** How callers are known whose CA writes no SPIFFE IDs: `commonName()` or `dnsName()`. Only with a source made from `ca`, and such a source needs one. */
  readonly identity?: SubjectIdentity
  /** The longest life, from notBefore to notAfter, that our own certificate and those of callers may have: milliseconds, or text such as `'24h'` or `'90d'`. Longer ones are refused; what issuers date back, up to a tenth of it and five minutes, is not counted. Default: none; beyond 90 days a warning is reported. */
  readonly maxCertificateLifetime?: number | string
  readonly tls?: {
    /** Default `'TLSv1.3'`: it has no renegotiation, and no certificate is sent in the clear. */
    readonly minVersion?: MinVersion
  }
  /** What happens when a peer's certificate expires: `'close'` (default) closes its connection; `'refuse'` answers the next request on it 403, and closes it then. Both announce the end before, and both cut what still runs. */
  readonly onExpiry?: 'close' | 'refuse'
  /** Receives refused peers, denials and failures of the source. Default: Fastify's logger where there is one, else a line of JSON on standard error. */
  readonly log?: (event: CountersignEvent) => void
  /** The body of denials, for teams with an error envelope of their own. Default: RFC 9457 problem details. */
  readonly formatDenial?: (denial: PublicDenial) => DenialBody
}

/** What of a denial a caller may know. */
export type PublicDenial = Pick<Denial, 'id' | 'status' | 'code'>

/** A formatted denial. */
export interface DenialBody {
  readonly contentType: string
  readonly body: string
}

/** Options that cannot be wrong any more. */
export interface ParsedGuardOptions {
  readonly source: GuardSource
  readonly rules: RuleSet
  readonly hasOwnRules: boolean
  readonly scope: GuardTrustScope
  /** Undefined with a CA without SPIFFE. */
  readonly localTrustDomain: string | undefined
  /** For requirements that are read later: of routes. */
  readonly callers: PossibleCallers
  readonly namespaces: ReadonlySet<string>
  readonly maxCertificateLifetime: number | undefined
  readonly authorities: GuardOptions['authorities']
  readonly minVersion: MinVersion
  readonly onExpiry: 'close' | 'refuse'
  readonly log: GuardOptions['log']
  readonly formatDenial: GuardOptions['formatDenial']
}

/** Checks every option and fills in the defaults. */
export function parseGuardOptions(options: GuardOptions): ParsedGuardOptions {
  parseOptions(options, knownOptions, 'createGuard')
  const { source, rules, onExpiry = 'close', authorities, log, formatDenial } = options
  checkSource(source, 'createGuard: source')
  if (onExpiry !== 'close' && onExpiry !== 'refuse') refuse('onExpiry', onExpiry, "'close' or 'refuse'")
  for (const [name, value] of Object.entries({ authorities, log, formatDenial })) {
    if (value !== undefined && !isCallable(value)) refuse(name, value, 'a function')
  }
  for (const [name, value] of Object.entries({ authorities, formatDenial })) {
    if (isAsyncFunction(value)) refuse(name, value, 'a function that is not async: a decision never waits')
  }
  const material = source.current
  const scope = parseRealm(options, material)
  const localTrustDomain = scope.kind === 'spiffe' ? scope.localTrustDomain : undefined
  const namespaces = material.kind === 'subject' ? new Set<string>() : parseNamespaces(options.namespaces, material)
  const callers =
    scope.kind === 'subject'
      ? createPossibleSubjects(scope.identity)
      : createPossibleWorkloads(scope.trustDomains, { localTrustDomain, namespaces, authorities })
  return {
    source,
    rules: compileRules(rules === undefined ? [{ path: '/**', allow: perRoute() }] : rules, {
      localTrustDomain,
      callers,
    }),
    hasOwnRules: rules !== undefined,
    scope,
    localTrustDomain,
    callers,
    namespaces,
    maxCertificateLifetime: parseLifetime(options, ownCertificateOf(material)),
    authorities,
    minVersion: parseTlsVersion(options.tls, 'createGuard: tls'),
    onExpiry,
    log,
    formatDenial,
  }
}

const knownOptions: readonly string[] = [
  'source',
  'rules',
  'trustDomains',
  'namespaces',
  'authorities',
  'identity',
  'maxCertificateLifetime',
  'tls',
  'onExpiry',
  'log',
  'formatDenial',
]

function parseRealm(options: GuardOptions, material: X509Material | SubjectMaterial): GuardTrustScope {
  const { identity } = options
  if (material.kind !== 'subject') {
    if (identity !== undefined) refuse('identity', identity, 'none beside bundles of SPIFFE; make the source from ca')
    const localTrustDomain = material.svid.spiffeId.trustDomain
    const { trustDomains = [localTrustDomain] } = options
    return { kind: 'spiffe', localTrustDomain, trustDomains: parseTrustDomains(trustDomains) }
  }
  if (!(identity instanceof SubjectIdentity)) {
    const ofCopy = isRecord(identity) && 'kind' in identity ? ' of the same copy of @countersign/core' : ''
    return refuse('identity', identity, `commonName() or dnsName()${ofCopy}, because the source is made from ca`)
  }
  for (const name of ['trustDomains', 'namespaces', 'authorities'] as const) {
    if (options[name] === undefined) continue
    refuse(name, options[name], `none with a source made from ca; ${identity.kind}() says who has which authorities`)
  }
  const clientOnly = describeClientOnly(material.certificate)
  if (clientOnly !== undefined) throw new ConfigurationError('option_invalid', `createGuard: source: ${clientOnly}`)
  return { kind: 'subject', identity }
}

function parseLifetime({ maxCertificateLifetime }: GuardOptions, own: OwnCertificate): number | undefined {
  if (maxCertificateLifetime === undefined) return undefined
  const limit = parseDuration(maxCertificateLifetime, 'createGuard: maxCertificateLifetime')
  const tooLong = describeLongLife(own, limit)
  if (tooLong === undefined) return limit
  throw new ConfigurationError('option_invalid', `createGuard: maxCertificateLifetime: our own certificate: ${tooLong}`)
}

// Whether the source has a bundle of each changes while the service runs, and is warned of whenever it has none.
function parseTrustDomains(input: unknown): readonly string[] {
  return [...new Set(parseStringList(input, 'createGuard: trustDomains').map(parseTrustDomain))]
}

function parseNamespaces(input: unknown, { svid }: X509Material): ReadonlySet<string> {
  if (input !== undefined) {
    const namespaces = parseStringList(input, 'createGuard: namespaces')
    const bad = namespaces.find((namespace) => !/^[A-Za-z0-9._-]+$/.test(namespace))
    if (bad !== undefined) refuse('namespaces', bad, 'the name of a namespace, without wildcards')
    return new Set(namespaces)
  }
  const { namespace } = readAccount(svid.spiffeId)
  return new Set(namespace === undefined ? [] : [namespace])
}

function refuse(option: string, found: unknown, expected: string): never {
  throw new ConfigurationError(
    'option_invalid',
    `createGuard: ${option}: found ${describeValue(found)}, expected ${expected}`,
    { value: typeof found === 'object' ? option : found },
  )
}
