import { isAsyncFunction } from 'node:util/types'
import type { SpiffeId } from '@countersign/spiffe'
import { ownCertificateOf, type SubjectIdentity } from '@countersign/spiffe/internal'
import { isCallable, parseOptions } from '@countersign/spiffe/options'
import {
  type Authorizer,
  compileRules,
  type CredentialKind,
  type Denial,
  perRoute,
  type PolicySet,
  type PolicySource,
  type PossibleCallers,
  type Rule,
} from '@countersign/authorization'
import {
  type CredentialOptions,
  needsNoCertificate,
  parseCredentials,
  type ParsedCredentials,
  trustsAnyPeer,
} from './credential/credential-options.ts'
import { type ParsedAuthorizer, parseAuthorizer } from './authorizer/authorizer.ts'
import { parseMode, parsePermissive, type PermissiveOptions } from './mode-options.ts'
import type { ParsedPermissive } from './modes.ts'
import { PolicyRevisions } from './policy-revisions.ts'
import type { CountersignEvent } from './events.ts'
import type { MinVersion } from './connection/tls-options.ts'
import type { GuardSource } from './connection/material-gate.ts'
import type { GuardTrustScope } from './connection/trust-scope.ts'
import { checkSource, parseTlsVersion } from './connection/source-options.ts'
import { refuseOption } from './refuse-option.ts'
import { parseLifetime, parseNamespaces, parseTrustScope } from './trust-options.ts'
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
   * DENY and ALLOW policies beside the rules, as a set or from a source such as `policyFiles()` of
   * `@countersign/policy`. A set may also contain the rules. Without any rules, a request needs an authenticated caller
   * and an ALLOW policy that matches. Default: none.
   */
  readonly policies?: PolicySet | PolicySource
  /**
   * An engine that decides requests that all other layers allow, and that can only deny: your own from `authorizer()`,
   * or Open Policy Agent from `opaAuthorizer()` of `@countersign/policy/opa`. Default: none.
   */
  readonly authorizer?: Authorizer
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
  readonly revisions: PolicyRevisions
  /** False if every route decides by its own `allow`. */
  readonly hasOwnRules: boolean
  /** The SPIFFE ID of this service at startup. Undefined if the CA does not issue SPIFFE IDs. */
  readonly ownId: SpiffeId | undefined
  readonly credentials: ParsedCredentials
  readonly authorizer: ParsedAuthorizer | undefined
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
  const { source, rules, policies, authorizer, onExpiry = 'close', authorities, log, formatDenial } = options
  const now = Date.now()
  checkSource(source, 'createGuard: source')
  if (onExpiry !== 'close' && onExpiry !== 'refuse') refuseOption('onExpiry', onExpiry, "'close' or 'refuse'")
  for (const [name, value] of Object.entries({ authorities, log, formatDenial })) {
    if (value !== undefined && !isCallable(value)) refuseOption(name, value, 'a function')
  }
  for (const [name, value] of Object.entries({ authorities, formatDenial })) {
    if (isAsyncFunction(value)) refuseOption(name, value, 'a synchronous function, because a decision never waits')
  }
  const material = source.current
  const scope = parseTrustScope(options, material)
  const localTrustDomain = scope.kind === 'spiffe' ? scope.localTrustDomain : undefined
  const namespaces =
    material.kind === 'subject'
      ? new Set<string>()
      : parseNamespaces(options.namespaces, material.svid.spiffeId, 'createGuard')
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
  const given = rules === undefined && policies === undefined ? [{ path: '/**', allow: perRoute() }] : rules
  const context = { localTrustDomain, callers }
  const compiled = given === undefined ? undefined : compileRules(given, context)
  return {
    source,
    revisions: new PolicyRevisions(policies, { ...context, rules: compiled }),
    ownId: material.kind === 'subject' ? undefined : material.svid.spiffeId,
    credentials,
    authorizer: authorizer === undefined ? undefined : parseAuthorizer(authorizer, 'createGuard: authorizer'),
    permissive,
    auditUntil: options.mode === undefined ? undefined : parseMode(options.mode, now),
    isCertificateOptional: needsNoCertificate(credentials) || (permissive !== undefined && now < permissive.until),
    hasOwnRules: rules !== undefined || policies !== undefined,
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
  'policies',
  'authorizer',
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
