import { type AuthorityFault, authorityFaults } from './authority-faults.ts'
import type { Blueprint, DistinguishedNames, ExtraExtension, KeyUsage, NameConstraints } from './blueprint.ts'
import { aNumber, aRecord, aText, checkOptions } from './check-options.ts'
import { applyFaults } from './fault.ts'
import type { KeyType, TestKey } from './key.ts'
import { certificateKinds } from './svid.ts'

/** How an authority differs from the default. */
export interface AuthorityOptions {
  /**
   * The common name. Default: the trust domain and the kind of authority, so that two roots of a trust domain have the
   * same name.
   */
  readonly name?: string
  /** The whole subject, instead of `C=US, O=Countersign Testkit` and the common name. */
  readonly subject?: DistinguishedNames
  /** Default: `P-256`. */
  readonly keyType?: KeyType
  /** A key to use instead of a new one. With the same `name`, it creates two certificates of the same authority. */
  readonly key?: TestKey
  /** The lifetime from `now` on. Default: one day. SVIDs are not limited to it. */
  readonly ttlSeconds?: number
  /** The time of issue, in epoch milliseconds. Default: the current time. */
  readonly now?: number
  /** Epoch milliseconds. Default: ten seconds before `now`, to tolerate slow clocks. */
  readonly notBefore?: number
  /** How many intermediates may follow (RFC 5280 §4.2.1.9). Default: no limit. */
  readonly pathLength?: number
  /** Default: none. */
  readonly nameConstraints?: NameConstraints
  /** The URI name. Default: the trust domain's own ID (X509-SVID §3.2). False creates an authority outside SPIFFE. */
  readonly spiffeId?: string | false
  /** Default: `keyCertSign` and `cRLSign`. Null omits the extension. */
  readonly keyUsages?: readonly KeyUsage[] | null
  /** Object identifiers, or names of `ExtendedKeyUsageName`. Default: none, which allows all. */
  readonly extendedKeyUsages?: readonly string[]
  /** Whether to include subjectKeyIdentifier and authorityKeyIdentifier. Default: true. */
  readonly keyIdentifiers?: boolean
  /** Further extensions. */
  readonly extensions?: readonly ExtraExtension[]
  /** Named defects, applied in this order after all other options. */
  readonly faults?: readonly AuthorityFault[]
}

/**
 * Creates the blueprint of an authority's certificate from options.
 *
 * @throws {ConfigurationError} `option_unknown`; `option_invalid` for a value of the wrong type or an unknown fault
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
