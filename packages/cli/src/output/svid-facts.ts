import { X509Certificate } from 'node:crypto'
import type { BundleFault } from '@countersign/spiffe'
import type { AgentSvid } from '@countersign/workload-api'
import { formatMoment } from './format-time.ts'

/** The printable facts of an SVID, listed field by field so that a private key can never be included by accident. */
export interface SvidFacts {
  readonly spiffeId: string
  /** The agent's hint. Empty if there is none. */
  readonly hint: string
  /** The leaf's serial number, in lower-case hex. */
  readonly serialNumber: string
  /** The start of the leaf's validity, as `2026-11-22T09:12:00Z`. */
  readonly notBefore: string
  /** When the first certificate of the path up to the authority expires, in the same format. */
  readonly expiresAt: string
  /** Leaf first, without the authority. */
  readonly chain: readonly CertificateFacts[]
  /** The bundle of the SVID's own trust domain, then the federated ones by name. */
  readonly bundles: readonly BundleFacts[]
}

/** The X.509 authorities of one trust domain. */
interface BundleFacts {
  readonly trustDomain: string
  /** True if it is another trust domain than the SVID's. */
  readonly isFederated: boolean
  readonly authorities: readonly CertificateFacts[]
  /** What is wrong with the bundle; the faulty parts are not used. */
  readonly faults: readonly Pick<BundleFault, 'code' | 'detail'>[]
}

/** The printable facts of one certificate. */
export interface CertificateFacts {
  /** The distinguished name, outermost part first. Empty if there is none. */
  readonly subject: string
  readonly issuer: string
  /** Lower-case hex. */
  readonly serialNumber: string
  /** The SHA-256 of the DER, in lower-case hex. */
  readonly sha256: string
  readonly notBefore: string
  /** The last valid second (RFC 5280 §4.1.2.5). */
  readonly notAfter: string
}

/** Selects the facts to show. */
export function readSvidFacts({ hint, material: { svid, bundles } }: AgentSvid): SvidFacts {
  const { trustDomain } = svid.spiffeId
  const byName = [...bundles.values()].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1))
  const own = byName.filter((bundle) => bundle.trustDomain === trustDomain)
  const federated = byName.filter((bundle) => bundle.trustDomain !== trustDomain)
  return {
    spiffeId: svid.spiffeId.toString(),
    hint,
    serialNumber: svid.serialNumber,
    notBefore: formatMoment(svid.notBefore),
    expiresAt: formatMoment(svid.expiresAt),
    chain: splitPem(svid.certificatePem).map(readCertificateFacts),
    bundles: [...own, ...federated].map((bundle) => ({
      trustDomain: bundle.trustDomain,
      isFederated: bundle.trustDomain !== trustDomain,
      authorities: bundle.authorities.map(({ der }) => readCertificateFacts(der)),
      faults: bundle.faults.map(({ code, detail }) => ({ code, detail })),
    })),
  }
}

function readCertificateFacts(input: string | Buffer): CertificateFacts {
  const certificate = new X509Certificate(input)
  return {
    subject: joinNames(certificate.subject),
    issuer: joinNames(certificate.issuer),
    serialNumber: certificate.serialNumber.toLowerCase(),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notBefore: formatMoment(Date.parse(certificate.validFrom)),
    notAfter: formatMoment(Date.parse(certificate.validTo)),
  }
}

// Node returns one relative name per line and, contrary to its types, undefined for an empty name.
function joinNames(text: string | undefined): string {
  return text?.split('\n').join(', ') ?? ''
}

function splitPem(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}
