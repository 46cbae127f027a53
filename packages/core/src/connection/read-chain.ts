import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { maxChainCertificates } from '../certificate/path-checks.ts'

/** The DER of the certificate that the peer proved to hold the key of, or undefined when it presented none. */
export function readLeaf(socket: TLSSocket): Buffer | undefined {
  // The short form: it leaves the chain where it is, which `getPeerX509Certificate()` does not on Node 20 and 22.
  return socket.getPeerCertificate().raw
}

/**
 * The DER of what Node shows of the peer's chain, leaf first. Some versions of Node 24 show the leaf alone, and all
 * leave out what OpenSSL could not connect.
 */
export function readChain(socket: TLSSocket): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // One more than allowed, so that the limit is refused where it is checked; a self-signed end points at itself.
  while (certificate?.raw !== undefined && chain.length <= maxChainCertificates) {
    chain.push(certificate.raw)
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return chain
}
