import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { TestKey, TestSvid } from '@countersign/testkit'
import { bitString, integer, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'

/**
 * An SVID with a private key that is not its own. A key that claims to be the certificate's passes every check of
 * OpenSSL before signing, because the public part of an EC private key (RFC 5915 §3) is read from its file and not
 * computed.
 */
export function withForeignKey(svid: TestSvid, key: TestKey): TestSvid {
  const { d } = createPrivateKey(key.pem).export({ format: 'jwk' })
  const { x, y } = createPublicKey(svid.key.pem).export({ format: 'jwk' })
  const [secret, ...point] = [d, x, y].map((value) => Buffer.from(String(value), 'base64url'))
  const encoded = sequence(
    integer(1),
    tlv(0x04, secret ?? Buffer.alloc(0)),
    tlv(0xa0, objectIdentifier('1.2.840.10045.3.1.7')),
    tlv(0xa1, bitString(Buffer.concat([Buffer.from([4]), ...point]))),
  )
  const lines = encoded.toString('base64').replace(/.{64}/g, '$&\n')
  return { ...svid, keyPem: `-----BEGIN EC PRIVATE KEY-----\n${lines}\n-----END EC PRIVATE KEY-----\n` }
}
