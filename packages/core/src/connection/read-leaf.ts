import type { TLSSocket } from 'node:tls'

/**
 * The DER of a peer's certificate, out of the TLS session: of all that Node offers it is the only one that does not make
 * objects of the peer's whole chain, which costs more than looking the verdict up. Undefined where it is not there.
 */
export function readLeaf(socket: TLSSocket): Buffer | undefined {
  // Its types leave out that a socket which is destroyed has null.
  const session: Buffer | null | undefined = socket.getSession()
  if (!session) return undefined
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

// SSL_SESSION of OpenSSL, which has stood like this since SSLeay: peer is [3] EXPLICIT Certificate. By offsets, because an
// object for each field would cost as much as the rest; what is found is no more than a name to look up, and whatever
// else than the peer's certificate stood there would be found under none.
function findPeer(session: Buffer): Buffer | undefined {
  let offset = countHeader(session, 0)
  while (offset < session.length) {
    const start = offset + countHeader(session, offset)
    const end = start + countContent(session, offset)
    if (session[offset] === peer) return Buffer.from(session.subarray(start, end))
    offset = end
  }
  return undefined
}

const peer = 0xa3

// Of tag and length; a length of its own length follows from 0x80 on (X.690 §8.1.3).
function countHeader(bytes: Buffer, offset: number): number {
  const first = bytes.readUInt8(offset + 1)
  return first < 0x80 ? 2 : 2 + (first & 0x7f)
}

function countContent(bytes: Buffer, offset: number): number {
  const first = bytes.readUInt8(offset + 1)
  return first < 0x80 ? first : bytes.readUIntBE(offset + 2, first & 0x7f)
}
