import { ConfigurationError, SpiffeId } from '@countersign/spiffe'
import { isOptions } from '@countersign/spiffe/options'
import type { AlternativeName, Blueprint, DistinguishedNames, ExtraExtension, KeyUsage } from './blueprint.ts'
import {
  aBoolean,
  aNumber,
  aName,
  checkOptions,
  isListOf,
  orNull,
  type OptionKind,
  records,
  texts,
} from './check-options.ts'
import { applyFaults } from './fault.ts'
import { aKey, aKeyType, type KeyType, type TestKey } from './key.ts'
import { toPem } from './pem.ts'
import { type Signer, signCertificate } from './sign-certificate.ts'
import { type SvidFault, svidFaults } from './svid-faults.ts'

/** An X.509-SVID with its private key, as a workload holds it; with faults, as an attacker would present it. */
export interface TestSvid {
  /** The requested SPIFFE ID. The certificate may contain another one because of a fault or the option `uris`. */
  readonly spiffeId: string
  /** The leaf followed by the intermediates, without the root. */
  readonly certificatePem: string
  /** Unencrypted PKCS#8. */
  readonly keyPem: string
  /** For the `key` option of another SVID. */
  readonly key: TestKey
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[]
  /** Epoch milliseconds: the leaf's notAfter, which is its last valid second. */
  readonly expiresAt: number
  /** The leaf's serial number, in lower-case hex. */
  readonly serialNumber: string
}

/** How an SVID differs from the default. */
export interface IssueOptions {
  /** The lifetime from `now` on. Default: 3600, as in SPIRE. */
  readonly ttlSeconds?: number
  /** The time of issue, in epoch milliseconds. Default: the current time. */
  readonly now?: number
  /** Epoch milliseconds. Default: ten seconds before `now`, as in SPIRE, to tolerate slow clocks. */
  readonly notBefore?: number
  /** Default: `P-256`. */
  readonly keyType?: KeyType
  /** A key to use instead of a new one. */
  readonly key?: TestKey
  /** Named defects, applied in this order after all other options. */
  readonly faults?: readonly SvidFault[]
  /** URI names instead of the SPIFFE ID, not validated. */
  readonly uris?: readonly string[]
  /** DNS names in addition to the SPIFFE ID; an SVID may have any number (X509-SVID §2). */
  readonly dnsNames?: readonly string[]
  /** IPv4 or IPv6 addresses in addition to the SPIFFE ID. */
  readonly ipAddresses?: readonly string[]
  /**
   * Default: `{ C: 'US', O: 'Countersign Testkit' }`. An empty subject makes the alternative names critical (X509-SVID
   * §3.1).
   */
  readonly subject?: DistinguishedNames
  /** Default: `digitalSignature`. Null omits the extension. */
  readonly keyUsages?: readonly KeyUsage[] | null
  /**
   * Object identifiers, or names of `ExtendedKeyUsageName`. Default: `serverAuth` and `clientAuth`. Null omits the
   * extension.
   */
  readonly extendedKeyUsages?: readonly string[] | null
  /** Whether to include subjectKeyIdentifier and authorityKeyIdentifier. Default: true. */
  readonly keyIdentifiers?: boolean
  /** Further extensions. */
  readonly extensions?: readonly ExtraExtension[]
}

/** What issuing an SVID needs of an authority. */
export interface SvidIssuer extends Signer {
  readonly trustDomain: string
  /** The DER of the intermediates that are included with every SVID. */
  readonly intermediates: readonly Buffer[]
}

/**
 * Issues an SVID that is valid except for what the options request.
 *
 * @throws {SpiffeIdError} if the text is not a SPIFFE ID; pass such text in `uris`
 * @throws {ConfigurationError} `option_invalid` for an ID without a path, an ID of another trust domain without the
 * fault `foreign_trust_domain`, or an unknown fault
 */
export async function issueSvid(spiffeId: string, options: IssueOptions, issuer: SvidIssuer): Promise<TestSvid> {
  checkOptions(options, 'issue', issueKinds)
  const { faults = [], now = Date.now() } = options
  checkSpiffeId(spiffeId, issuer.trustDomain, faults)
  const issue = { now, trustDomain: issuer.trustDomain }
  const blueprint = applyFaults(draftSvid(spiffeId, options, now), faults, svidFaults, issue)
  const leaf = await signCertificate(blueprint, issuer)
  const certificates = [leaf.der, ...issuer.intermediates]
  return {
    spiffeId,
    certificatePem: certificates.map(toPem).join(''),
    keyPem: leaf.key.pem,
    key: leaf.key,
    certificates,
    expiresAt: Math.floor(blueprint.notAfter / 1000) * 1000,
    serialNumber: leaf.serialNumber,
  }
}

/** Returns whether a value is an SVID as created by `issue`. */
export function isTestSvid(value: unknown): value is TestSvid {
  return isOptions(value) && texts[0]([value['certificatePem'], value['keyPem']]) && isChain(value['certificates'])
}

const isChain = isListOf((entry) => entry instanceof Uint8Array)

/** Accepts an SVID, as an option. */
export const aTestSvid: OptionKind = [isTestSvid, 'the awaited result of issue()']

/** The option types shared by all certificates. */
export const certificateKinds: Readonly<Record<string, OptionKind>> = {
  ttlSeconds: aNumber,
  now: aNumber,
  notBefore: aNumber,
  keyType: aKeyType,
  key: aKey,
  faults: texts,
  subject: aName,
  keyUsages: orNull(texts),
  extendedKeyUsages: orNull(texts),
  keyIdentifiers: aBoolean,
  extensions: records,
}

const issueKinds = { ...certificateKinds, uris: texts, dnsNames: texts, ipAddresses: texts }

/**
 * Checks the SPIFFE ID that an SVID is requested for.
 *
 * @throws {SpiffeIdError} if the text is not a SPIFFE ID
 * @throws {ConfigurationError} `option_invalid` without a path, or for another trust domain without the fault for it
 */
export function checkSpiffeId(text: string, trustDomain: string, faults: readonly string[]): void {
  const id = SpiffeId.parse(text)
  if (id.path === '') {
    throw new ConfigurationError(
      'option_invalid',
      `found the ID of a trust domain '${text}', expected a path; for an SVID without one use the fault 'no_path'`,
      { value: text },
    )
  }
  if (id.trustDomain !== trustDomain && !faults.includes('foreign_trust_domain')) {
    throw new ConfigurationError(
      'option_invalid',
      `found '${text}', expected an ID of ${trustDomain}; for a forged one use the fault 'foreign_trust_domain'`,
      { value: text },
    )
  }
}

function draftSvid(spiffeId: string, options: IssueOptions, now: number): Blueprint {
  const { ttlSeconds = 3600, subject = { C: 'US', O: 'Countersign Testkit' }, keyUsages, extendedKeyUsages } = options
  return {
    subject,
    notBefore: options.notBefore ?? now - 10_000,
    notAfter: now + ttlSeconds * 1000,
    keyType: options.keyType ?? 'P-256',
    key: options.key ?? null,
    selfSigned: false,
    alternativeNames: [
      ...(options.uris ?? [spiffeId]).map((value): AlternativeName => ({ type: 'uri', value })),
      ...(options.dnsNames ?? []).map((value): AlternativeName => ({ type: 'dns', value })),
      ...(options.ipAddresses ?? []).map((value): AlternativeName => ({ type: 'ip', value })),
    ],
    alternativeNamesCritical: Object.keys(subject).length === 0,
    basicConstraints: { cA: false },
    keyUsages: keyUsages === undefined ? ['digitalSignature'] : keyUsages,
    keyUsagesCritical: true,
    extendedKeyUsages: extendedKeyUsages === undefined ? ['serverAuth', 'clientAuth'] : extendedKeyUsages,
    nameConstraints: null,
    keyIdentifiers: options.keyIdentifiers ?? true,
    extensions: options.extensions ?? [],
    signatureHash: 'strong',
    damage: (der) => der,
  }
}
