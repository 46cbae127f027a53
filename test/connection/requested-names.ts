import { connect } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

/**
 * Reads the authority names in a server's CertificateRequest (RFC 5246 §7.4.4), with TLS 1.2, where the handshake is
 * unencrypted. DER.
 */
export async function readRequestedNames(port: number): Promise<readonly Buffer[]> {
  const received: Buffer[] = []
  const raw = connect(port, '127.0.0.1')
  const recorded = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => void raw.write(chunk, () => done()),
  })
  raw.on('data', (chunk: Buffer) => {
    received.push(chunk)
    recorded.push(chunk)
  })
  const socket = connectTls({ socket: recorded, maxVersion: 'TLSv1.2', rejectUnauthorized: false })
  socket.on('error', () => undefined)
  raw.on('error', () => undefined)
  await new Promise((resolve) => {
    socket.once('secureConnect', resolve)
    raw.once('close', resolve)
  })
  raw.destroy()
  socket.destroy()
  return splitNames(findRequest(Buffer.concat(received)))
}

// Handshake messages are in records of type 22, and a message can be longer than a record.
function findRequest(bytes: Buffer): Buffer {
  const records: Buffer[] = []
  for (let offset = 0; offset + 5 <= bytes.length && bytes.readUInt8(offset) === 22;) {
    const end = offset + 5 + bytes.readUInt16BE(offset + 3)
    records.push(bytes.subarray(offset + 5, end))
    offset = end
  }
  const messages = Buffer.concat(records)
  for (let offset = 0; offset + 4 <= messages.length;) {
    const end = offset + 4 + messages.readUIntBE(offset + 1, 3)
    if (messages.readUInt8(offset) === 13) return messages.subarray(offset + 4, end)
    offset = end
  }
  throw new Error('the server sent no CertificateRequest')
}

// Certificate types, signature algorithms and names: three lists, each with a length prefix.
function splitNames(request: Buffer): readonly Buffer[] {
  const algorithms = 1 + request.readUInt8(0)
  const list = request.subarray(algorithms + 2 + request.readUInt16BE(algorithms) + 2)
  const names: Buffer[] = []
  for (let offset = 0; offset < list.length;) {
    const end = offset + 2 + list.readUInt16BE(offset)
    names.push(list.subarray(offset + 2, end))
    offset = end
  }
  return names
}
