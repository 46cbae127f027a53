import { type AuthorityFault, authorityFaults } from './authority-faults.ts'
import type { Blueprint, DistinguishedNames, ExtraExtension, KeyUsage, NameConstraints } from './blueprint.ts'
import { aNumber, aRecord, aText, checkOptions } from './check-options.ts'
import { applyFaults } from './fault.ts'
import type { KeyType, TestKey } from './key.ts'
import { certificateKinds } from './svid.ts'

/** How an authority differs from the usual one. */
export interface AuthorityOptions {
  /** The common name; default says trust domain and rank, so that two roots of one trust domain are named alike. */
  readonly name?: string
  /** The whole subject, in place of `C=US, O=Countersign Testkit` and the common name. */
  readonly subject?: DistinguishedNames
  /** Default `P-256`. */
  readonly keyType?: KeyType
  /** A key to use instead of a new one; with the same `name` it makes two certificates of one authority. */
  readonly key?: TestKey
  /** How long it is valid from `now` on; default one day. SVIDs are not cut to it. */
  readonly ttlSeconds?: number
  /** The moment of issue, epoch milliseconds; default the clock's. */
  readonly now?: number
  /** Epoch milliseconds; default ten seconds before `now`, against clocks that are slow. */
  readonly notBefore?: number
  /** How many intermediates may follow; default no limit (RFC 5280 §4.2.1.9). */
  readonly pathLength?: number
  /** Default none. */
  readonly nameConstraints?: NameConstraints
  /** The URI name; default the trust domain's own ID (X509-SVID §3.2), and false for an authority outside SPIFFE. */
  readonly spiffeId?: string | false
  /** Default `keyCertSign` and `cRLSign`; null leaves the extension out. */
  readonly keyUsages?: readonly KeyUsage[] | null
  /** Object identifiers, or names of `ExtendedKeyUsageName`; default none, which allows all. */
  readonly extendedKeyUsages?: readonly string[]
  /** Whether subjectKeyIdentifier and authorityKeyIdentifier are there; default true. */
  readonly keyIdentifiers?: boolean
  /** Further extensions. */
  readonly extensions?: readonly ExtraExtension[]
  /** Named defects, applied in this order after all other options. */
  readonly faults?: readonly AuthorityFault[]
}

/**
 * Turns options into the blueprint of an authority's certificate.
 *
 * @throws {ConfigurationError} `option_unknown`, or `option_invalid` for a value of another kind and for an unknown fault
 */
export function draftAuthority(
  trustDomain: string,
  defaultName: string,
  options: AuthorityOptions,
  where: string,
): Blueprint {
  checkOptions(options, where, authorityKinds)
  const { name = defaultName, spiffeId = `spiffe://${trustDomain}`, now = Date.now(), pathLength, keyUsages } = options
  const subject = options.subject ?? { C: 'US', O: 'Countersign Testkit', CN: name }
  const blueprint: Blueprint = {
    subject,
    notBefore: options.notBefore ?? now - 10_000,
    notAfter: now + (options.ttlSeconds ?? 86_400) * 1000,
    keyType: options.keyType ?? 'P-256',
    key: options.key ?? null,
    selfSigned: false,
    alternativeNames: spiffeId === false ? [] : [{ type: 'uri', value: spiffeId }],
    alternativeNamesCritical: Object.keys(subject).length === 0,
    basicConstraints: pathLength === undefined ? { cA: true } : { cA: true, pathLength },
    keyUsages: keyUsages === undefined ? ['keyCertSign', 'cRLSign'] : keyUsages,
    keyUsagesCritical: true,
    extendedKeyUsages: options.extendedKeyUsages ?? null,
    nameConstraints: options.nameConstraints ?? null,
    keyIdentifiers: options.keyIdentifiers ?? true,
    extensions: options.extensions ?? [],
    signatureHash: 'strong',
    damage: (der) => der,
  }
  return applyFaults(blueprint, options.faults ?? [], authorityFaults, { now, trustDomain })
}

const authorityKinds = {
  ...certificateKinds,
  name: aText,
  pathLength: aNumber,
  nameConstraints: aRecord,
  spiffeId: [(value: unknown) => value === false || typeof value === 'string', 'text, or false for none'],
} as const
