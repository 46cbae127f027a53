import type { PeerCertificate, TLSSocket } from 'node:tls'
import { maxChainCertificates } from '../certificate/path-checks.ts'
import { readLeaf } from './read-leaf.ts'

/** What Node shows of a peer's certificates. */
export interface ShownChain {
  /** The DER of the certificate that the peer proved to hold the key of. */
  readonly leaf: Buffer
  /** The DER of the chain, leaf first, in each form in which Node may have it: the next one where the last was too short. */
  readonly chains: readonly (() => readonly Buffer[])[]
}

/**
 * What a caller presented, or undefined when it presented nothing. Some versions of Node 24 show the leaf alone, and all
 * leave out what OpenSSL could not connect.
 *
 * Of the two calls that show a chain the cheaper one comes first. On Node 20 and 22 it takes the chain away from the
 * other one, and has it then; on others it has none, and the other one does.
 */
export function showCaller(socket: TLSSocket): ShownChain | undefined {
  const leaf = readLeaf(socket) ?? socket.getPeerX509Certificate()?.raw
  if (leaf === undefined) return undefined
  return {
    leaf,
    chains: [() => walkIssuers(socket.getPeerX509Certificate()), () => walkIssuers(socket.getPeerCertificate(true))],
  }
}

/**
 * What a server presented. On the side of a client the cheaper call would take the leaf itself away from everybody who
 * asks later.
 */
export function showServer(socket: TLSSocket): ShownChain | undefined {
  // Its types say that there always is one; a socket that is destroyed has null.
  const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate()
  const leaf = certificate?.raw
  return leaf === undefined ? undefined : { leaf, chains: [() => walkIssuers(socket.getPeerCertificate(true))] }
}

interface Shown {
  readonly raw?: Buffer
  readonly issuerCertificate?: Shown | undefined
}

function walkIssuers(leaf: Shown | null | undefined): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate = leaf
  // One more than allowed, so that the limit is refused where it is checked; a self-signed end may point at itself.
  while (certificate?.raw !== undefined && chain.length <= maxChainCertificates) {
    chain.push(certificate.raw)
    const issuer: Shown | undefined = certificate.issuerCertificate
    certificate = issuer === certificate ? undefined : issuer
  }
  return chain
}
