import { createPrivateKey, sign } from 'node:crypto'
import type { Authority, IssueOptions } from '@countersign/testkit'

/**
 * Issues an SVID for each of many workloads, as DER. Only the first comes from the authority. The others are copies of
 * it with another SPIFFE ID, signed again, which takes a tenth of the time.
 */
export async function* issueMany(authority: Authority, count: number, options?: IssueOptions): AsyncGenerator<Buffer> {
  const key = createPrivateKey(authority.keyPem)
  const { certificates } = await authority.issue(`spiffe://${authority.trustDomain}/${nameOf(0)}`, options)
  const [first = Buffer.alloc(0)] = certificates
  // Certificate ::= SEQUENCE { tbsCertificate SEQUENCE, signatureAlgorithm SEQUENCE, signatureValue BIT STRING }
  const tbsCertificate = Buffer.from(readElement(first, contentOf(first, 0)))
  const algorithm = readElement(first, contentOf(first, 0) + tbsCertificate.length)
  const place = tbsCertificate.indexOf(nameOf(0))
  for (let index = 0; index < count; index += 1) {
    tbsCertificate.write(nameOf(index), place, 'latin1')
    const signature = sign('sha256', tbsCertificate, key)
    const signed = Buffer.concat([tbsCertificate, algorithm, Buffer.of(0x03, signature.length + 1, 0), signature])
    yield Buffer.concat([Buffer.of(0x30, 0x82, signed.length >> 8, signed.length & 0xff), signed])
  }
}

function nameOf(index: number): string {
  return `worker-${String(index).padStart(7, '0')}`
}

function readElement(der: Buffer, start: number): Buffer {
  const content = contentOf(der, start)
  const first = der.readUInt8(start + 1)
  const length = first < 0x80 ? first : der.readUIntBE(start + 2, first & 0x7f)
  return der.subarray(start, content + length)
}

/** Returns where the content of an element starts. From 0x80 on, the length has a length of its own (X.690 §8.1.3). */
function contentOf(der: Buffer, start: number): number {
  const first = der.readUInt8(start + 1)
  return start + 2 + (first < 0x80 ? 0 : first & 0x7f)
}
