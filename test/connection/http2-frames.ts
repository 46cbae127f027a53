/** One frame (RFC 9113 §4.1). */
export interface Frame {
  readonly type: number
  readonly stream: number
  readonly payload: Buffer
}

/** The frames that these tests check (RFC 9113 §6). */
export const frameTypes = { headers: 1, settings: 4, goaway: 7 } as const

/** The first bytes of a peer: the preface and empty settings (RFC 9113 §3.4). */
export const preface: Buffer = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  writeFrame({ type: frameTypes.settings, stream: 0, payload: Buffer.alloc(0) }),
])

/** A GET without a body, in one HEADERS frame with indexed or literal fields (RFC 7541 §6). */
export function writeRequest(stream: number, path: string, fields: readonly Buffer[] = []): Buffer {
  const block = Buffer.concat([Buffer.from([0x82, 0x87]), writeField(4, path), writeField(1, 'a'), ...fields])
  return writeFrame({ type: frameTypes.headers, stream, payload: block }, endStream | endHeaders)
}

/** The complete frames. */
export function readFrames(bytes: Buffer): readonly Frame[] {
  const frames: Frame[] = []
  for (let offset = 0; offset + headLength <= bytes.length;) {
    const end = offset + headLength + bytes.readUIntBE(offset, 3)
    if (end > bytes.length) break
    const payload = bytes.subarray(offset + headLength, end)
    frames.push({ type: bytes.readUInt8(offset + 3), stream: bytes.readUInt32BE(offset + 5), payload })
    offset = end
  }
  return frames
}

const headLength = 9
const endStream = 1
const endHeaders = 4

function writeFrame({ type, stream, payload }: Frame, flags = 0): Buffer {
  return Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]), payload])
}

function writeField(index: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value)])
}
