import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { type Certificate, serverAuth } from '../certificate/certificate.ts'
import { isSameName } from '../certificate/distinguished-name.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { parseCertificates, toPem } from '../certificate/pem.ts'
import { CertificateError, ConfigurationError } from '../errors.ts'
import { describeValue, isRecord } from '../options.ts'
import { verifySvid } from '../svid/verify-svid.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import { X509Bundle } from '../trust/bundle.ts'
import type { OwnSvid, X509Material } from '../trust/x509-source.ts'

/** A workload's key, chain and bundles as they come from outside. */
export interface MaterialInput {
  /** Unencrypted: PEM, or PKCS#8 DER. */
  readonly key: string | Uint8Array
  /** PEM, or concatenated DER; leaf first. */
  readonly cert: string | Uint8Array
  /** PEM or concatenated DER by trust domain; a bundle of an earlier material is taken as it is. */
  readonly bundles: Readonly<Record<string, string | Uint8Array | X509Bundle>>
}

/** The most bytes that the names of all authorities may have: TLS sends them in one list of at most 64 KiB. */
const maxAuthorityNameBytes = 48 * 1024

/**
 * Turns key, chain and bundles into X.509 material that cannot be wrong: the key fits the leaf, the chain is an
 * X.509-SVID under the bundle of its own trust domain and valid at `now` (epoch milliseconds), and the bundles can be
 * offered in a handshake.
 *
 * @throws {CertificateError} saying which of this does not hold
 * @throws {SpiffeIdError} for a bundle under a bad trust domain name
 * @throws {ConfigurationError} `option_invalid` for a missing option or one of the wrong kind
 */
export function createMaterial(input: MaterialInput, now: number = Date.now()): X509Material {
  checkKinds(input)
  const key = parsePrivateKey(input.key)
  const certificates = parseCertificates(input.cert)
  checkKeyFits(key, certificates[0])
  const bundles = parseBundles(input.bundles)
  const svid = verifyOwn(certificates, bundles, now)
  return Object.freeze({ svid: createOwnSvid(svid, key, certificates), bundles })
}

function checkKinds({ key, cert, bundles }: MaterialInput): void {
  checkKind('key', key, isContent(key), 'PEM text or bytes')
  checkKind('cert', cert, isContent(cert), 'PEM text or bytes')
  checkKind('bundles', bundles, isRecord(bundles), 'an object with a bundle for each trust domain')
  for (const [name, bundle] of Object.entries(bundles)) {
    const isRight = isContent(bundle) || bundle instanceof X509Bundle
    checkKind(`bundles[${name}]`, bundle, isRight, 'PEM text, bytes or a bundle')
  }
}

function isContent(value: unknown): boolean {
  return typeof value === 'string' || value instanceof Uint8Array
}

function checkKind(name: string, value: unknown, isRight: boolean, expected: string): void {
  if (isRight) return
  throw new ConfigurationError('option_invalid', `${name}: found ${describeValue(value)}, expected ${expected}`)
}

function parsePrivateKey(input: string | Uint8Array): KeyObject {
  const bytes = Buffer.from(input)
  try {
    return bytes[0] === derSequence
      ? createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
      : createPrivateKey(bytes)
  } catch (cause) {
    // The cause names the defect only; the bytes of a key never get into an error.
    throw new CertificateError('key_malformed', 'key: found no private key, expected unencrypted PEM or PKCS#8 DER', {
      cause,
    })
  }
}

const derSequence = 0x30

function checkKeyFits(key: KeyObject, leaf: Certificate | undefined): void {
  if (leaf !== undefined && createPublicKey(key).equals(leaf.publicKey)) return
  throw new CertificateError(
    'key_mismatch',
    'key: found a key that does not belong to the first certificate of cert, expected the key of the leaf',
  )
}

function parseBundles(input: MaterialInput['bundles']): ReadonlyMap<string, X509Bundle> {
  const bundles = new Map<string, X509Bundle>()
  for (const [name, content] of Object.entries(input)) {
    const bundle = content instanceof X509Bundle ? content : X509Bundle.parse(name, content)
    if (bundle.trustDomain !== name) {
      throw new CertificateError('authority_unusable', `bundles: found a bundle of ${bundle.trustDomain} under ${name}`)
    }
    checkSelfSigned(bundle)
    bundles.set(bundle.trustDomain, bundle)
  }
  const bytes = [...bundles.values()].flatMap(({ authorities }) => authorities.map(({ subject }) => subject.der.length))
  const sum = bytes.reduce((total, length) => total + length, 0)
  if (sum > maxAuthorityNameBytes) {
    throw new CertificateError(
      'bundle_too_large',
      `bundles: found ${sum} bytes of authority names, expected at most ${maxAuthorityNameBytes}, or every handshake fails`,
    )
  }
  return bundles
}

// Node's TLS servers ignore `allowPartialTrustChain`: to OpenSSL a chain ends at a self-signed certificate only.
function checkSelfSigned({ trustDomain, authorities }: X509Bundle): void {
  for (const authority of authorities) {
    if (authority.selfIssued || authorities.some(({ subject }) => isSameName(subject, authority.issuer))) continue
    throw new CertificateError(
      'authority_unusable',
      `bundle of ${trustDomain}: ${describeCertificate(authority)} is not self-signed, and OpenSSL ends no chain there; add the authority that issued it`,
      { value: trustDomain },
    )
  }
}

function verifyOwn(
  certificates: readonly Certificate[],
  bundles: ReadonlyMap<string, X509Bundle>,
  now: number,
): X509Svid {
  const chain = certificates.map(({ der }) => der)
  const verdict = verifySvid({ chain, bundles, usage: serverAuth, now })
  if (verdict.ok) return verdict.svid
  throw new CertificateError('svid_unusable', `our own certificate: ${verdict.reason}: ${verdict.detail}`, {
    value: verdict.reason,
  })
}

function createOwnSvid(svid: X509Svid, key: KeyObject, certificates: readonly Certificate[]): OwnSvid {
  return Object.freeze({
    spiffeId: svid.spiffeId,
    serialNumber: svid.leaf.serialNumber,
    sha256: svid.leaf.sha256,
    certificatePem: certificates.map(toPem).join(''),
    expiresAt: svid.expiresAt,
    exportPrivateKey: () => key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  })
}
