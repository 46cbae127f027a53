import type { TLSSocket } from 'node:tls'

/**
 * Returns the DER of a peer's certificate, read from the TLS session, or undefined if it is not there. Node's other
 * calls create objects for the peer's whole chain, which costs more than looking up the verdict.
 */
export function readLeaf(socket: TLSSocket): Buffer | undefined {
  // Its types omit that a destroyed socket returns null.
  const session: Buffer | null | undefined = socket.getSession()
  if (!session) return undefined
  try {
    return findPeer(session)
  } catch {
    // Another OpenSSL version may use another format.
    return undefined
  } finally {
    // The session contains its secret.
    session.fill(0)
  }
}

// In OpenSSL's SSL_SESSION, unchanged since SSLeay, the peer is [3] EXPLICIT Certificate. It is read by offsets,
// because an object for each field would cost as much as the rest. The result is only a key for the verdict lookup, so
// wrong bytes would not be found.
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

// Counts tag and length. From 0x80 on, the first byte is the length of the length (X.690 §8.1.3).
function countHeader(bytes: Buffer, offset: number): number {
  const first = bytes[offset + 1] ?? 0
  return first < 0x80 ? 2 : 2 + (first & 0x7f)
}

function countContent(bytes: Buffer, offset: number): number {
  const first = bytes[offset + 1] ?? 0
  return first < 0x80 ? first : bytes.readUIntBE(offset + 2, first & 0x7f)
}
