import { createCipheriv, generateKeyPairSync, type KeyObject, pbkdf2Sync } from 'node:crypto'
import { integer, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'

export function createPair(type: 'ed25519' | 'P-256' | 'RSA'): { readonly privateKey: KeyObject } {
  if (type === 'ed25519') return generateKeyPairSync('ed25519')
  return type === 'RSA'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

export function pkcs8(algorithm: string, content: Buffer, ...parameters: readonly Buffer[]): Buffer {
  return sequence(integer(0), sequence(objectIdentifier(algorithm), ...parameters), tlv(0x04, content))
}

/** Returns the same key in version 2. The version number is the first zero byte. */
export function toSecondVersion(der: Buffer, extras: readonly Buffer[]): Buffer {
  const start = der.indexOf(Buffer.of(2, 1, 0)) + 3
  return sequence(integer(1), der.subarray(start), ...extras)
}

export function encrypted(algorithm: Buffer): Buffer {
  return sequence(algorithm, tlv(0x04, Buffer.alloc(64)))
}

/** Encrypts bytes, which need not be a key: PBES2 with PBKDF2 and AES. */
export function encryptWith(passphrase: string, plain: Buffer): Buffer {
  const salt = Buffer.alloc(16, 1)
  const iv = Buffer.alloc(16, 2)
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync(passphrase, salt, 1000, 32, 'sha1'), iv)
  const data = Buffer.concat([cipher.update(plain), cipher.final()])
  const kdf = sequence(objectIdentifier('1.2.840.113549.1.5.12'), sequence(tlv(0x04, salt), integer(1000)))
  const scheme = sequence(objectIdentifier('2.16.840.1.101.3.4.1.42'), tlv(0x04, iv))
  return sequence(sequence(objectIdentifier('1.2.840.113549.1.5.13'), sequence(kdf, scheme)), tlv(0x04, data))
}

export function spki(): Buffer {
  return generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
}

export function pkcs1(): Buffer {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'der' })
}

export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}
