import type { PeerCertificate, TLSSocket } from 'node:tls'
import { readPeerChain } from '@countersign/spiffe'
import { walkIssuers } from '@countersign/spiffe/internal'
import { readLeaf } from './read-leaf.ts'

/** What Node shows of a peer's certificates. */
export interface PresentedChain {
  /** The DER of the certificate that the peer proved to hold the key of. */
  readonly leaf: Buffer
  /**
   * The DER of the chain, leaf first, in each form in which Node has it. The next one is read only where the chain of the
   * last one proves nothing.
   */
  readonly chains: readonly [() => readonly Buffer[], ...(() => readonly Buffer[])[]]
}

/**
 * What a caller presented, or undefined when it presented nothing.
 *
 * `getPeerX509Certificate` has every certificate in the order in which it was presented, and is the cheaper call. On Node
 * 20 to 24 it takes the chain away from later callers. The other call stands behind it for versions where it has the leaf
 * alone.
 */
export function readCallerChain(socket: TLSSocket): PresentedChain | undefined {
  const leaf = readLeaf(socket) ?? socket.getPeerX509Certificate()?.raw
  return leaf === undefined ? undefined : { leaf, chains: [() => readPeerChain(socket), () => readConnected(socket)] }
}

/**
 * What a server presented, or undefined when it presented nothing.
 *
 * The cheaper call comes last here: on Node 20 to 24 it takes even the leaf away from an application that asks the socket for
 * it later. The other call leaves out what it does not connect to the leaf, such as most of a chain in reverse order.
 */
export function readServerChain(socket: TLSSocket): PresentedChain | undefined {
  // Its types say that there always is one; a socket that is destroyed has null.
  const certificate: Partial<PeerCertificate> | null = socket.getPeerCertificate()
  const leaf = certificate?.raw
  return leaf === undefined ? undefined : { leaf, chains: [() => readConnected(socket), () => readPeerChain(socket)] }
}

/** Every certificate that a peer presented besides its leaf, once. DER. */
export function listPresented({ leaf, chains }: PresentedChain): readonly Buffer[] {
  const others: Buffer[] = []
  for (const readChain of chains) {
    others.push(...readChain().filter((der) => ![leaf, ...others].some((known) => known.equals(der))))
  }
  return others
}

function readConnected(socket: TLSSocket): readonly Buffer[] {
  return walkIssuers(socket.getPeerCertificate(true))
}
