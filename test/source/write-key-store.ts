import { createCipheriv, createHash, createHmac, type KeyObject, pbkdf2Sync } from 'node:crypto'
import { hex, integer, nullValue, objectIdentifier, sequence, tlv } from '../certificate/encode.ts'

/*
 * Writes PKCS#12 stores that no program creates. Uses one iteration unless a test sets another number.
 */

const octets = (...parts: readonly Buffer[]): Buffer => tlv(0x04, ...parts)
const explicit = (content: Buffer): Buffer => tlv(0xa0, content)

const data = '1.2.840.113549.1.7.1'
const encryptedData = '1.2.840.113549.1.7.6'
const salt = hex('0102030405060708')

/** A SafeBag by the last arc of its type (RFC 7292 §4.2). */
export function bag(type: number, value: Buffer): Buffer {
  return sequence(objectIdentifier(`1.2.840.113549.1.12.10.1.${type}`), explicit(value))
}

export const pkcs8 = (key: KeyObject): Buffer => key.export({ type: 'pkcs8', format: 'der' })
export const keyBag = (key: KeyObject): Buffer => bag(1, pkcs8(key))

export function shroudedKeyBag(key: KeyObject, passphrase: string, iterations = 1): Buffer {
  const encrypted = octets(encrypt(pkcs8(key), passphrase, iterations))
  return bag(2, sequence(pbes2(undefined, undefined, iterations), encrypted))
}

export function certificateBag(der: Buffer, type = '1.2.840.113549.1.9.22.1'): Buffer {
  return bag(3, sequence(objectIdentifier(type), explicit(octets(der))))
}

/** One part of a store, unencrypted. */
export function part(...bags: readonly Buffer[]): Buffer {
  return sequence(objectIdentifier(data), explicit(octets(sequence(...bags))))
}

/** One part of a store under PBES2 with this many iterations, or labelled with another algorithm. */
export function encryptedPart(bags: readonly Buffer[], passphrase: string, algorithm: Buffer | number = 1): Buffer {
  const iterations = typeof algorithm === 'number' ? algorithm : 1
  const written = typeof algorithm === 'number' ? pbes2(undefined, undefined, iterations) : algorithm
  const info = sequence(objectIdentifier(data), written, tlv(0x80, encrypt(sequence(...bags), passphrase, iterations)))
  return sequence(objectIdentifier(encryptedData), explicit(sequence(integer(0), info)))
}

const vector = Buffer.alloc(16, 7)

function encrypt(content: Buffer, passphrase: string, iterations: number): Buffer {
  const cipher = createCipheriv('aes-128-cbc', pbkdf2Sync(passphrase, salt, iterations, 16, 'sha256'), vector)
  return Buffer.concat([cipher.update(content), cipher.final()])
}

/** The AlgorithmIdentifier of PBES2 with PBKDF2 and AES-128, or with others. */
export function pbes2(derivation = '1.2.840.113549.1.5.12', cipher = '2.16.840.1.101.3.4.1.2', iterations = 1): Buffer {
  const hash = sequence(objectIdentifier('1.2.840.113549.2.9'), nullValue)
  const parameters = sequence(octets(salt), integer(iterations), integer(16), hash)
  return sequence(
    objectIdentifier('1.2.840.113549.1.5.13'),
    sequence(sequence(objectIdentifier(derivation), parameters), sequence(objectIdentifier(cipher), octets(vector))),
  )
}

/** A complete store; `mac: null` omits the MAC. */
export function writeStore(parts: readonly Buffer[], changed: Partial<Store> = {}): Buffer {
  const { passphrase = 'changeit', digest = '2.16.840.1.101.3.4.2.1', iterations = 1, type = data } = changed
  const content = sequence(...parts)
  const value = createHmac('sha256', deriveMacKey(passphrase)).update(content).digest()
  const mac = sequence(
    sequence(sequence(objectIdentifier(digest), nullValue), octets(value)),
    octets(salt),
    ...(iterations === 'absent' ? [] : [integer(iterations)]),
  )
  const authenticated = sequence(objectIdentifier(type), explicit(octets(content)))
  return sequence(integer(3), authenticated, ...(changed.mac === null ? [] : [mac]))
}

interface Store {
  readonly mac: null
  /** Null writes no bytes for the passphrase, whereas empty text writes a terminator. */
  readonly passphrase: string | null
  readonly digest: string
  readonly iterations: number | 'absent'
  readonly type: string
}

/**
 * RFC 7292 §B.2 for the case in which it is a single hash: one iteration, and at most as many bytes as SHA-256 returns.
 */
function deriveMacKey(passphrase: string | null): Buffer {
  const text = passphrase === null ? Buffer.alloc(0) : Buffer.from(`${passphrase}\0`, 'utf16le').swap16()
  return createHash('sha256').update(Buffer.alloc(64, 3)).update(fill(salt)).update(fill(text)).digest()
}

/** Repeats the bytes up to a multiple of 64. */
function fill(bytes: Buffer): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / 64) * 64, bytes)
}
