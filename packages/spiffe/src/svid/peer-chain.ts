import type { TLSSocket } from 'node:tls'
import { maxChainCertificates } from '../certificate/path-checks.ts'

/**
 * Returns the certificates that the peer of a TLS connection presented, as DER, leaf first. Use it as the `chain` of
 * `verifySvid`. Returns an empty list if the peer presented no certificate.
 *
 * Call it once, before any other access: on Node.js 20 to 24 it hides the chain from later calls of
 * `getPeerCertificate`.
 *
 * @example verifySvid({ chain: readPeerChain(socket), bundles, now: Date.now() })
 */
export function readPeerChain(socket: TLSSocket): readonly Buffer[] {
  return walkIssuers(socket.getPeerX509Certificate())
}

/** The properties that both of Node's certificate objects have. */
interface ShownCertificate {
  readonly raw?: Buffer
  readonly issuerCertificate?: ShownCertificate | undefined
}

/** Returns the DER of a certificate and of the issuers that Node has for it. */
export function walkIssuers(leaf: ShownCertificate | null | undefined): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate = leaf
  // Reads one more than allowed, so that the limit is enforced in one place. A self-signed certificate may be its own
  // issuer.
  while (certificate?.raw !== undefined && chain.length <= maxChainCertificates) {
    chain.push(certificate.raw)
    const issuer: ShownCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return chain
}
