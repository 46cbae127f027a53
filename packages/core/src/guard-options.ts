import { isAsyncFunction } from 'node:util/types'
import {
  ConfigurationError,
  type OwnCertificate,
  parseTrustDomain,
  type SpiffeId,
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
  type CredentialKind,
  type Denial,
  perRoute,
  type PossibleCallers,
  readAccount,
  type Rule,
} from '@countersign/authorization'
import {
  type CredentialOptions,
  needsNoCertificate,
  parseCredentials,
  type ParsedCredentials,
  trustsAnyPeer,
} from './credential/credential-options.ts'
import { parseMode, parsePermissive, type PermissiveOptions } from './mode-options.ts'
import type { ParsedPermissive } from './modes.ts'
import { RulesInForce } from './rules-in-force.ts'
import type { CountersignEvent } from './events.ts'
import type { MinVersion } from './connection/tls-options.ts'
import type { GuardSource } from './connection/material-gate.ts'
import type { GuardTrustScope } from './connection/trust-scope.ts'
import { checkSource, parseTlsVersion } from './connection/source-options.ts'
import { describeClientOnly, describeLongLife } from './connection/material-warnings.ts'
import type { VerifiedPeer } from './principal/create-principal.ts'
import { createPossibleSubjects, createPossibleWorkloads } from './principal/possible-callers.ts'

/** Options of `createGuard`. */
export interface GuardOptions {
  /** The source of our own SVID and the bundles; or, together with `identity`, of our own certificate and the CA. */
  readonly source: GuardSource
  /**
   * The rules, in order: the first match decides, and a request without a match is denied. Default: every route decides
   * by its own `allow`. That default works with Fastify only; Express needs rules.
   */
  readonly rules?: readonly Rule[]
  /**
   * The trust domains whose callers are authenticated. While the source has no bundle for one of them, its callers are
   * refused and a `bundle_empty` warning is reported. Default: only the trust domain of our own SVID at startup,
   * because having a bundle does not mean that you decided to trust its workloads.
   */
  readonly trustDomains?: readonly string[]
  /**
   * The local namespaces whose service accounts get the short authority `SERVICE_<service account>`. Default: the
   * namespace of our own SVID.
   */
  readonly namespaces?: readonly string[]
  /**
   * Returns further authorities for a caller, besides the derived ones. Federated callers have no others. Called once
   * per certificate. If it throws, the request is denied.
   */
  readonly authorities?: (peer: VerifiedPeer) => readonly string[]
  /**
   * How callers are identified if their CA issues certificates without SPIFFE IDs: `commonName()` or `dnsName()`.
   * Required with a source made from `ca`, and invalid with any other.
   */
  readonly identity?: SubjectIdentity
  /**
   * The longest lifetime, from notBefore to notAfter, allowed for our own certificate and those of callers:
   * milliseconds, or text such as `'24h'` or `'90d'`. A certificate that exceeds it is refused. Backdating by the
   * issuer is tolerated, up to a tenth of the limit and at most five minutes. Default: no limit, but a lifetime beyond
   * 90 days is reported as a warning.
   */
  readonly maxCertificateLifetime?: number | string
  readonly tls?: {
    /**
     * The lowest TLS version to accept. Default: `'TLSv1.3'`, which has no renegotiation and never sends certificates
     * in the clear.
     */
    readonly minVersion?: MinVersion
  }
  /**
   * What happens when a peer's certificate expires. `'close'` (default) closes the connection. `'refuse'` answers the
   * next request on it with 403 and then closes it. Both announce the close beforehand, and both abort requests that
   * are still running. A connection without HTTP is closed with either value.
   */
  readonly onExpiry?: 'close' | 'refuse'
  /**
   * What may prove a caller besides the certificate of its connection: identities that proxies forward, and tokens.
   * Default: nothing.
   */
  readonly credentials?: CredentialOptions
  /**
   * A migration with a deadline: until then, callers without a certificate are anonymous, and reach what `permitAll()`
   * and `anonymous()` allow. An invalid certificate is refused as always. Default: every caller is authenticated.
   */
  readonly permissive?: PermissiveOptions
  /**
   * `{ audit: { until } }` reports the denials of authenticated callers and does not enforce them, until that time.
   * Ambiguous targets, invalid credentials and anonymous callers are denied in any mode. Default: `'enforce'`.
   */
  readonly mode?: 'enforce' | { readonly audit: { readonly until: string } }
  /**
   * Receives refused peers, denials and source failures. Default: Fastify's logger if there is one, otherwise one line
   * of JSON per event on standard error.
   */
  readonly log?: (event: CountersignEvent) => void
  /** Formats the body of a denial, for teams with their own error envelope. Default: RFC 9457 problem details. */
  readonly formatDenial?: (denial: PublicDenial) => DenialBody
}

/** The part of a denial that may be sent to the caller. */
export type PublicDenial = Pick<Denial, 'id' | 'status' | 'code'>

/** A formatted denial. */
export interface DenialBody {
  readonly contentType: string
  readonly body: string
}

/** Validated options. */
export interface ParsedGuardOptions {
  readonly source: GuardSource
  readonly rules: RulesInForce
  readonly hasOwnRules: boolean
  /** The SPIFFE ID of this service at startup. Undefined if the CA does not issue SPIFFE IDs. */
  readonly ownId: SpiffeId | undefined
  readonly credentials: ParsedCredentials
  readonly permissive: ParsedPermissive | undefined
  /** Epoch milliseconds: the end of audit mode. */
  readonly auditUntil: number | undefined
  /** True if peers may connect without a certificate, at least for now. */
  readonly isCertificateOptional: boolean
  readonly scope: GuardTrustScope
  /** Undefined if the CA does not issue SPIFFE IDs. */
  readonly localTrustDomain: string | undefined
  /** For requirements that are compiled later, such as those of routes. */
  readonly callers: PossibleCallers
  readonly namespaces: ReadonlySet<string>
  readonly maxCertificateLifetime: number | undefined
  readonly authorities: GuardOptions['authorities']
  readonly minVersion: MinVersion
  readonly onExpiry: 'close' | 'refuse'
  readonly log: GuardOptions['log']
  readonly formatDenial: GuardOptions['formatDenial']
}

/** Validates every option and applies the defaults. */
export function parseGuardOptions(options: GuardOptions): ParsedGuardOptions {
  parseOptions(options, knownOptions, 'createGuard')
  const { source, rules, onExpiry = 'close', authorities, log, formatDenial } = options
  const now = Date.now()
  checkSource(source, 'createGuard: source')
  if (onExpiry !== 'close' && onExpiry !== 'refuse') refuse('onExpiry', onExpiry, "'close' or 'refuse'")
  for (const [name, value] of Object.entries({ authorities, log, formatDenial })) {
    if (value !== undefined && !isCallable(value)) refuse(name, value, 'a function')
  }
  for (const [name, value] of Object.entries({ authorities, formatDenial })) {
    if (isAsyncFunction(value)) refuse(name, value, 'a synchronous function, because a decision never waits')
  }
  const material = source.current
  const scope = parseTrustScope(options, material)
  const localTrustDomain = scope.kind === 'spiffe' ? scope.localTrustDomain : undefined
  const namespaces = material.kind === 'subject' ? new Set<string>() : parseNamespaces(options.namespaces, material)
  const credentials = parseCredentials(
    options.credentials,
    material.kind === 'subject' || scope.kind === 'subject'
      ? undefined
      : { source, own: material.svid.spiffeId, trustDomains: scope.trustDomains },
  )
  const permissive = options.permissive === undefined ? undefined : parsePermissive(options.permissive, now)
  const callers =
    scope.kind === 'subject'
      ? createPossibleSubjects(scope.identity)
      : createPossibleWorkloads(
          scope.trustDomains,
          { localTrustDomain, namespaces, authorities },
          listCredentials(credentials),
        )
  const compiled = compileRules(rules === undefined ? [{ path: '/**', allow: perRoute() }] : rules, {
    localTrustDomain,
    callers,
  })
  return {
    source,
    rules: new RulesInForce(compiled),
    ownId: material.kind === 'subject' ? undefined : material.svid.spiffeId,
    credentials,
    permissive,
    auditUntil: options.mode === undefined ? undefined : parseMode(options.mode, now),
    isCertificateOptional: needsNoCertificate(credentials) || (permissive !== undefined && now < permissive.until),
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
  'credentials',
  'permissive',
  'mode',
  'log',
  'formatDenial',
]

function listCredentials(credentials: ParsedCredentials): ReadonlySet<CredentialKind> {
  const kinds = new Set<CredentialKind>(['x509-svid'])
  if (credentials.forwarded !== undefined) kinds.add(trustsAnyPeer(credentials) ? 'asserted' : 'forwarded')
  if (credentials.jwtSvid !== undefined) kinds.add('jwt-svid')
  return kinds
}

function parseTrustScope(options: GuardOptions, material: X509Material | SubjectMaterial): GuardTrustScope {
  const { identity } = options
  if (material.kind !== 'subject') {
    if (identity !== undefined)
      refuse('identity', identity, 'none with SPIFFE bundles; create the source with ca instead')
    const localTrustDomain = material.svid.spiffeId.trustDomain
    const { trustDomains = [localTrustDomain] } = options
    return { kind: 'spiffe', localTrustDomain, trustDomains: parseTrustDomains(trustDomains) }
  }
  if (!(identity instanceof SubjectIdentity)) {
    const ofCopy = isRecord(identity) && 'kind' in identity ? ' of the same copy of @countersign/core' : ''
    return refuse('identity', identity, `commonName() or dnsName()${ofCopy}, because the source was created with ca`)
  }
  for (const name of ['trustDomains', 'namespaces', 'authorities'] as const) {
    if (options[name] === undefined) continue
    refuse(name, options[name], `none with a source created with ca; assign authorities in ${identity.kind}()`)
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

// Bundles can appear and disappear while the service runs, so a missing one is not an error here; `UpdateWarnings`
// reports it.
function parseTrustDomains(input: unknown): readonly string[] {
  return [...new Set(parseStringList(input, 'createGuard: trustDomains').map(parseTrustDomain))]
}

function parseNamespaces(input: unknown, { svid }: X509Material): ReadonlySet<string> {
  if (input !== undefined) {
    const namespaces = parseStringList(input, 'createGuard: namespaces')
    const bad = namespaces.find((namespace) => !/^[A-Za-z0-9._-]+$/.test(namespace))
    if (bad !== undefined) refuse('namespaces', bad, 'a namespace without wildcards')
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
