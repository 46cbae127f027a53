import type { TLSSocket } from 'node:tls'
import { derTag } from '../certificate/der.ts'
import { enterOnly } from '../certificate/der-reader.ts'

/**
 * The DER of a peer's certificate, out of the TLS session: of all that Node offers it is the only one that does not make
 * objects of the peer's whole chain, which costs more than looking the verdict up. Undefined where it is not there.
 */
export function readLeaf(socket: TLSSocket): Buffer | undefined {
  const session = socket.getSession()
  if (session === undefined) return undefined
  try {
    return findPeer(session)
  } catch {
    // Another version of OpenSSL may write it in another way.
    return undefined
  } finally {
    // The session's secret is in it.
    session.fill(0)
  }
}

// SSL_SESSION of OpenSSL, which has stood like this since SSLeay: peer is [3] EXPLICIT Certificate.
function findPeer(session: Buffer): Buffer | undefined {
  const fields = enterOnly(session, derTag.sequence, 'session')
  while (!fields.done) {
    const { tag, content } = fields.nextOfAny()
    if (tag === peer) return Buffer.from(content)
  }
  return undefined
}

const peer = 0xa3
