import type { TLSSocket } from 'node:tls'
import { maxChainCertificates } from '../certificate/path-checks.ts'

/**
 * Returns the certificates that the other end of a TLS connection presented, as DER, leaf first: the `chain` of `verifySvid`.
 * Empty where it presented none. Read it once and first: on Node.js 20 to 24 it hides the chain from calls of
 * `getPeerCertificate` that come later.
 *
 * @example verifySvid({ chain: readPeerChain(socket), bundles, now: Date.now() })
 */
export function readPeerChain(socket: TLSSocket): readonly Buffer[] {
  return walkIssuers(socket.getPeerX509Certificate())
}

/** What Node shows of a certificate, in both of its forms. */
interface ShownCertificate {
  readonly raw?: Buffer
  readonly issuerCertificate?: ShownCertificate | undefined
}

/** The DER of a certificate and of the issuers that Node has for it. */
export function walkIssuers(leaf: ShownCertificate | null | undefined): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate = leaf
  // One more than allowed, so that the limit is refused where it is checked; a self-signed end may point at itself.
  while (certificate?.raw !== undefined && chain.length <= maxChainCertificates) {
    chain.push(certificate.raw)
    const issuer: ShownCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return chain
}
