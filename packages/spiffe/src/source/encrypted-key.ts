import { createCipheriv, createDecipheriv, getCipherInfo, pbkdf2Sync, scryptSync } from 'node:crypto'
import { type DerElement, derTag } from '../certificate/der.ts'
import { DerReader, enterOnly } from '../certificate/der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from '../certificate/der-values.ts'
import { CertificateError } from '../errors.ts'

/** Why Node did not open an encrypted key. */
export type EncryptedKeyFinding =
  /** The passphrase is right; the content is not checked yet. */
  | { readonly kind: 'opened'; readonly pkcs8: Buffer }
  | { readonly kind: 'passphrase_wrong' }
  /** `what` is the algorithm that this OpenSSL does not support. */
  | { readonly kind: 'unsupported'; readonly what: string }
  /** An older encryption scheme that only Node can try. */
  | { readonly kind: 'undecided' }

/**
 * Finds out why Node did not open an encrypted PKCS#8 key (RFC 5958 §3, RFC 8018). Node does not distinguish an
 * algorithm that OpenSSL lacks from a wrong passphrase. Takes as long as the key derivation, and blocks.
 *
 * @param passphrase undefined to check only whether the algorithm is supported
 * @throws {CertificateError} `certificate_malformed` for bytes that are not an encrypted key
 */
export function examineEncryptedKey(der: Buffer, passphrase: string | undefined): EncryptedKeyFinding {
  const fields = enterOnly(der, derTag.sequence, 'encrypted key')
  const { oid, parameters } = readAlgorithm(fields.next(derTag.sequence))
  const data = fields.next(derTag.octetString).content
  fields.end()
  if (oid !== pbes2) return examineOlderScheme(oid)
  const inner = new DerReader(requireParameters(parameters).content, 'PBES2')
  const kdf = readAlgorithm(inner.next(derTag.sequence))
  const cipher = readAlgorithm(inner.next(derTag.sequence))
  inner.end()
  const name = ciphers.get(cipher.oid)
  if (name === undefined || !isCipherAvailable(name)) return unsupported(name ?? `the cipher ${cipher.oid}`)
  if (passphrase === undefined) return { kind: 'undecided' }
  const key = deriveKey(kdf, passphrase, getCipherInfo(name)?.keyLength ?? 0)
  if (typeof key === 'string') return unsupported(key)
  return decrypt(name, { key, iv: requireParameters(cipher.parameters).content, data })
}

/**
 * Returns true if the OpenSSL of this process supports a cipher. Knowing its name is not enough: its provider may not
 * be loaded.
 */
export function isCipherAvailable(name: string): boolean {
  const info = getCipherInfo(name)
  if (info === undefined) return false
  try {
    createCipheriv(name, Buffer.alloc(info.keyLength), info.ivLength === undefined ? null : Buffer.alloc(info.ivLength))
    return true
  } catch {
    return false
  }
}

interface Algorithm {
  readonly oid: string
  readonly parameters: DerElement | undefined
}

function readAlgorithm({ content }: DerElement): Algorithm {
  const fields = new DerReader(content, 'algorithm')
  const oid = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'algorithm')
  const parameters = fields.done ? undefined : fields.nextOfAny()
  fields.end()
  return { oid, parameters }
}

function requireParameters(parameters: DerElement | undefined): DerElement {
  if (parameters !== undefined) return parameters
  throw new CertificateError('certificate_malformed', 'encrypted key: found an algorithm without its parameters')
}

const pbes2 = '1.2.840.113549.1.5.13'

/** The names of PBES1 (RFC 8018 §A.3) and the PKCS#12 schemes (RFC 7292 §C), and the cipher that each needs. */
const olderSchemes: ReadonlyMap<string, readonly [name: string, cipher: string]> = new Map([
  ['1.2.840.113549.1.5.1', ['PBES1 with MD2 and DES', 'des-cbc']],
  ['1.2.840.113549.1.5.3', ['PBES1 with MD5 and DES', 'des-cbc']],
  ['1.2.840.113549.1.5.4', ['PBES1 with MD2 and RC2', 'rc2-cbc']],
  ['1.2.840.113549.1.5.6', ['PBES1 with MD5 and RC2', 'rc2-cbc']],
  ['1.2.840.113549.1.5.10', ['PBES1 with SHA-1 and DES', 'des-cbc']],
  ['1.2.840.113549.1.5.11', ['PBES1 with SHA-1 and RC2', 'rc2-cbc']],
  ['1.2.840.113549.1.12.1.1', ['SHA-1 and RC4 of 128 bits', 'rc4']],
  ['1.2.840.113549.1.12.1.2', ['SHA-1 and RC4 of 40 bits', 'rc4-40']],
  ['1.2.840.113549.1.12.1.3', ['SHA-1 and 3DES', 'des-ede3-cbc']],
  ['1.2.840.113549.1.12.1.4', ['SHA-1 and 3DES with two keys', 'des-ede-cbc']],
  ['1.2.840.113549.1.12.1.5', ['SHA-1 and RC2 of 128 bits', 'rc2-cbc']],
  ['1.2.840.113549.1.12.1.6', ['SHA-1 and RC2 of 40 bits', 'rc2-40-cbc']],
])

function examineOlderScheme(oid: string): EncryptedKeyFinding {
  const scheme = olderSchemes.get(oid)
  if (scheme === undefined) return unsupported(`the encryption ${oid}`)
  const [name, cipher] = scheme
  return isCipherAvailable(cipher) ? { kind: 'undecided' } : unsupported(name)
}

/**
 * The ciphers of PBES2 by their OpenSSL names, including ones that OpenSSL has dropped, so that messages are readable.
 */
const ciphers: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.1.2', 'aes-128-cbc'],
  ['2.16.840.1.101.3.4.1.22', 'aes-192-cbc'],
  ['2.16.840.1.101.3.4.1.42', 'aes-256-cbc'],
  ['1.2.840.113549.3.7', 'des-ede3-cbc'],
  ['1.2.392.200011.61.1.1.1.2', 'camellia-128-cbc'],
  ['1.2.392.200011.61.1.1.1.3', 'camellia-192-cbc'],
  ['1.2.392.200011.61.1.1.1.4', 'camellia-256-cbc'],
  ['1.2.410.200046.1.1.2', 'aria-128-cbc'],
  ['1.2.410.200046.1.1.7', 'aria-192-cbc'],
  ['1.2.410.200046.1.1.12', 'aria-256-cbc'],
  ['1.3.14.3.2.7', 'des-cbc'],
  ['1.2.840.113549.3.2', 'rc2-cbc'],
  ['1.2.840.113549.3.9', 'rc5-cbc'],
  ['1.2.840.113533.7.66.10', 'cast5-cbc'],
  ['1.3.6.1.4.1.3029.1.2', 'bf-cbc'],
  ['1.3.6.1.4.1.188.7.1.1.2', 'idea-cbc'],
  ['1.2.410.200004.1.4', 'seed-cbc'],
])

const hashes: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
])

/** Derives the key (RFC 8018 §A.2 and RFC 7914 §7.1). Returns the name of the algorithm if it is not supported. */
function deriveKey({ oid, parameters }: Algorithm, passphrase: string, length: number): Buffer | string {
  const fields = new DerReader(requireParameters(parameters).content, 'key derivation')
  if (oid === '1.2.840.113549.1.5.12') {
    const salt = fields.next(derTag.octetString).content
    const iterations = decodeUnsigned(fields.next(derTag.integer), 'iterations')
    fields.nextIf(derTag.integer)
    const prf = fields.nextIf(derTag.sequence)
    const prfOid = prf === undefined ? '1.2.840.113549.2.7' : readAlgorithm(prf).oid
    const hash = hashes.get(prfOid)
    if (hash === undefined) return `PBKDF2 with ${prfOid}`
    return attempt(() => pbkdf2Sync(passphrase, salt, iterations, length, hash)) ?? `PBKDF2 with ${hash}`
  }
  if (oid === '1.3.6.1.4.1.11591.4.11') {
    const salt = fields.next(derTag.octetString).content
    const read = (name: string): number => decodeUnsigned(fields.next(derTag.integer), name)
    const [N, r, p] = [read('cost'), read('block size'), read('parallelization')]
    return attempt(() => scryptSync(passphrase, salt, length, { N, r, p })) ?? `scrypt with N=${N}, r=${r}, p=${p}`
  }
  return `the key derivation ${oid}`
}

function decrypt(
  name: string,
  { key, iv, data }: { readonly key: Buffer; readonly iv: Buffer; readonly data: Buffer },
): EncryptedKeyFinding {
  const pkcs8 = attempt(() => {
    const decipher = createDecipheriv(name, key, iv)
    return Buffer.concat([decipher.update(data), decipher.final()])
  })
  // About one wrong passphrase in 256 produces valid padding, so the content must also be a DER structure.
  const isStructure = pkcs8 !== undefined && attempt(() => enterOnly(pkcs8, derTag.sequence, 'key')) !== undefined
  return isStructure ? { kind: 'opened', pkcs8 } : { kind: 'passphrase_wrong' }
}

function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function unsupported(what: string): EncryptedKeyFinding {
  return { kind: 'unsupported', what }
}
