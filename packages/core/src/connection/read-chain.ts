import type { PeerCertificate, TLSSocket } from 'node:tls'
import { readPeerChain } from '@countersign/spiffe'
import { walkIssuers } from '@countersign/spiffe/internal'
import { readLeaf } from './read-leaf.ts'

/** What Node exposes of a peer's certificates. */
export interface PresentedChain {
  /** The DER of the certificate whose key the peer proved to hold. */
  readonly leaf: Buffer
  /**
   * Return the DER of the chain, leaf first, in each form that Node offers. The next form is read only if the previous
   * one does not verify.
   */
  readonly readers: readonly [ReadChain, ...ReadChain[]]
}

/** Reads a peer's chain from its socket. */
type ReadChain = (socket: TLSSocket) => readonly Buffer[]

/**
 * Returns what a caller presented, or undefined if it presented nothing.
 *
 * `getPeerX509Certificate` returns every certificate in the order presented and is the cheaper call. On Node 20 to 24
 * it takes the chain away from later callers. The other call is a fallback for versions in which the first returns only
 * the leaf.
 */
export function readCallerChain(socket: TLSSocket): PresentedChain | undefined {
  const leaf = readLeaf(socket) ?? socket.getPeerX509Certificate()?.raw
  return leaf === undefined ? undefined : { leaf, readers: [readPeerChain, readConnected] }
}

/**
 * Returns what a server presented, or undefined if it presented nothing.
 *
 * Here the cheaper call comes last: on Node 20 to 24 it takes even the leaf away from an application that reads it from
 * the socket later. The other call omits certificates that it cannot connect to the leaf, such as most of a chain in
 * reverse order.
 */
export function readServerChain(socket: TLSSocket): PresentedChain | undefined {
  // Its types say that there always is one, but a destroyed socket returns null.
  const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate()
  const leaf = certificate?.raw
  return leaf === undefined ? undefined : { leaf, readers: [readConnected, readPeerChain] }
}

/** Returns every certificate that a peer presented besides its leaf, without duplicates, as DER. */
export function listPresented(socket: TLSSocket, { leaf, readers }: PresentedChain): readonly Buffer[] {
  const others: Buffer[] = []
  for (const readChain of readers) {
    others.push(...readChain(socket).filter((der) => ![leaf, ...others].some((known) => known.equals(der))))
  }
  return others
}

function readConnected(socket: TLSSocket): readonly Buffer[] {
  return walkIssuers(socket.getPeerCertificate(true))
}
