import { X509Certificate } from 'node:crypto'
import type { BundleFault } from '@countersign/spiffe'
import type { AgentSvid } from '@countersign/workload-api'
import { formatMoment } from './format-time.ts'

/** What there is to show of an SVID, field by field, so that nothing gets in by itself: no private key ever does. */
export interface SvidFacts {
  readonly spiffeId: string
  /** What the agent calls it; empty where it calls it nothing. */
  readonly hint: string
  /** The leaf's, lower-case hex. */
  readonly serialNumber: string
  /** `2026-11-22T09:12:00Z`: the leaf's first valid moment. */
  readonly notBefore: string
  /** The same form: from then on some certificate of the path up to the authority is no longer valid. */
  readonly expiresAt: string
  /** Leaf first, without the authority. */
  readonly chain: readonly CertificateFacts[]
  /** That of the SVID's own trust domain first, then the federated ones by name. */
  readonly bundles: readonly BundleFacts[]
}

/** The X.509 authorities of one trust domain. */
interface BundleFacts {
  readonly trustDomain: string
  /** Whether it is another trust domain than the SVID's. */
  readonly isFederated: boolean
  readonly authorities: readonly CertificateFacts[]
  /** What is wrong with the bundle; none of it is in use. */
  readonly faults: readonly Pick<BundleFault, 'code' | 'detail'>[]
}

/** What there is to show of one certificate. */
export interface CertificateFacts {
  /** Its distinguished name, outermost first; empty for one without. */
  readonly subject: string
  readonly issuer: string
  /** Lower-case hex. */
  readonly serialNumber: string
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string
  readonly notBefore: string
  /** The last valid second (RFC 5280 §4.1.2.5). */
  readonly notAfter: string
}

/** Picks what is shown. */
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

// Node gives one relative name a line, and undefined, against its types, for a name without any.
function joinNames(text: string | undefined): string {
  return text?.split('\n').join(', ') ?? ''
}

function splitPem(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}
