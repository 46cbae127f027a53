import {
  ConfigurationError,
  type OwnCertificate,
  parseTrustDomain,
  type SpiffeId,
  type SubjectMaterial,
  type X509Material,
} from '@countersign/spiffe'
import { SubjectIdentity } from '@countersign/spiffe/internal'
import { isRecord, parseDuration, parseStringList, refuseValue } from '@countersign/spiffe/options'
import { readAccount } from '@countersign/authorization'
import { describeClientOnly, describeLongLife } from './connection/material-warnings.ts'
import type { GuardTrustScope } from './connection/trust-scope.ts'
import type { GuardOptions } from './guard-options.ts'
import { refuseOption } from './refuse-option.ts'

/**
 * Parses which callers are authenticated: those of trust domains, or those with names that a CA without SPIFFE issued.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseTrustScope(options: GuardOptions, material: X509Material | SubjectMaterial): GuardTrustScope {
  const { identity } = options
  if (material.kind !== 'subject') {
    if (identity !== undefined)
      refuseOption('identity', identity, 'none with SPIFFE bundles; create the source with ca instead')
    const localTrustDomain = material.svid.spiffeId.trustDomain
    const { trustDomains = [localTrustDomain] } = options
    return { kind: 'spiffe', localTrustDomain, trustDomains: parseTrustDomains(trustDomains, 'createGuard') }
  }
  if (!(identity instanceof SubjectIdentity)) {
    const ofCopy = isRecord(identity) && 'kind' in identity ? ' of the same copy of @countersign/core' : ''
    return refuseOption(
      'identity',
      identity,
      `commonName() or dnsName()${ofCopy}, because the source was created with ca`,
    )
  }
  for (const name of ['trustDomains', 'namespaces', 'authorities'] as const) {
    if (options[name] === undefined) continue
    refuseOption(name, options[name], `none with a source created with ca; assign authorities in ${identity.kind}()`)
  }
  const clientOnly = describeClientOnly(material.certificate)
  if (clientOnly !== undefined) throw new ConfigurationError('option_invalid', `createGuard: source: ${clientOnly}`)
  return { kind: 'subject', identity }
}

/**
 * Parses `maxCertificateLifetime` and checks our own certificate against it. Returns milliseconds.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseLifetime({ maxCertificateLifetime }: GuardOptions, own: OwnCertificate): number | undefined {
  if (maxCertificateLifetime === undefined) return undefined
  const limit = parseDuration(maxCertificateLifetime, 'createGuard: maxCertificateLifetime')
  const tooLong = describeLongLife(own, limit)
  if (tooLong === undefined) return limit
  throw new ConfigurationError('option_invalid', `createGuard: maxCertificateLifetime: our own certificate: ${tooLong}`)
}

/**
 * Parses the trust domains whose callers are authenticated. Bundles can appear and disappear while the service runs, so
 * a missing one is not an error here; `UpdateWarnings` reports it.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseTrustDomains(input: unknown, where: string): readonly string[] {
  return [...new Set(parseStringList(input, `${where}: trustDomains`).map(parseTrustDomain))]
}

/**
 * Parses the local namespaces whose service accounts have short authorities. Default: the namespace of our own SPIFFE ID.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function parseNamespaces(input: unknown, own: SpiffeId, where: string): ReadonlySet<string> {
  if (input !== undefined) {
    const namespaces = parseStringList(input, `${where}: namespaces`)
    const bad = namespaces.find((namespace) => !/^[A-Za-z0-9._-]+$/.test(namespace))
    if (bad !== undefined) refuseValue(`${where}: namespaces`, bad, 'a namespace without wildcards')
    return new Set(namespaces)
  }
  const { namespace } = readAccount(own)
  return new Set(namespace === undefined ? [] : [namespace])
}
