import { hash, pbkdf2Sync } from 'node:crypto'
import { CertificateError } from '../../errors.ts'

/** The encoded passphrase for each of the two key derivations of a store. */
export interface Secret {
  /** UTF-16 with a terminator, or no bytes at all (RFC 7292 §B.1). */
  readonly utf16: Buffer
  /** RFC 8018 §3 */
  readonly utf8: Buffer
}

/** A hash function, with the size of its output and of its blocks in bytes. */
export interface HashFunction {
  readonly name: string
  readonly size: number
  readonly block: number
}

/** The parameters of a key derivation besides the passphrase. */
export interface Derivation {
  readonly hash: HashFunction
  readonly salt: Buffer
  readonly iterations: number
}

/**
 * The maximum number of iterations for all keys of a store together. Enough for a store written with `-iter 300000`.
 */
const maxIterations = 1_000_000

/**
 * Derives the keys of one store and limits the total cost. The author of a store chooses the number of iterations, and
 * the process blocks meanwhile. A store that needs more than a million is rejected before the first key that would
 * exceed the limit is derived.
 */
export class KeyDerivation {
  #left = maxIterations

  /** Derives the key of a MAC (RFC 7292 §B.2, ID 3). */
  deriveMacKey(secret: Secret, derivation: Derivation): Buffer {
    this.#spend(derivation, [derivation.hash.size])
    return derivePkcs12(3, secret, derivation, derivation.hash.size)
  }

  /** Derives the key (ID 1) and initialization vector (ID 2) of the older schemes. */
  deriveCipherKey(
    secret: Secret,
    derivation: Derivation,
    length: number,
  ): { readonly key: Buffer; readonly iv: Buffer } {
    this.#spend(derivation, [length, ivLength])
    return {
      key: derivePkcs12(1, secret, derivation, length),
      iv: derivePkcs12(2, secret, derivation, ivLength),
    }
  }

  /** Derives a key with PBKDF2 (RFC 8018 §5.2). */
  derivePbkdf2(secret: Secret, derivation: Derivation, length: number): Buffer {
    this.#spend(derivation, [length])
    return pbkdf2Sync(secret.utf8, derivation.salt, derivation.iterations, length, derivation.hash.name)
  }

  #spend({ iterations, hash: { size } }: Derivation, lengths: readonly number[]): void {
    if (iterations < 1) refuse('no iterations', 'at least one')
    for (const length of lengths) this.#left -= iterations * Math.ceil(length / size)
    if (this.#left < 0) refuse(`more than ${maxIterations} iterations`, `at most ${maxIterations} in the whole store`)
  }
}

/** For the ciphers of the older schemes. */
const ivLength = 8

function derivePkcs12(id: number, secret: Secret, derivation: Derivation, length: number): Buffer {
  const { block, name, size } = derivation.hash
  const blocks = [fill(derivation.salt, block), fill(secret.utf16, block)]
  const input = Buffer.concat([Buffer.alloc(block, id), ...blocks])
  const parts: Buffer[] = []
  for (let made = 0; made < length; made += size) {
    if (made > 0) addToBlocks(input, fill(parts.at(-1) ?? input, block), block)
    let part = hash(name, input, 'buffer')
    for (let done = 1; done < derivation.iterations; done += 1) part = hash(name, part, 'buffer')
    parts.push(part)
  }
  return Buffer.concat(parts).subarray(0, length)
}

/** Repeats the bytes up to a multiple of `block`. */
function fill(bytes: Buffer, block: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
}

// RFC 7292 §B.2, step 6C: each block of the input after the first becomes itself + addend + 1, modulo its size.
function addToBlocks(input: Buffer, addend: Buffer, block: number): void {
  for (let start = block; start < input.length; start += block) {
    let carry = 1
    for (let at = block - 1; at >= 0; at -= 1) {
      carry += input.readUInt8(start + at) + addend.readUInt8(at)
      input.writeUInt8(carry & 0xff, start + at)
      carry >>= 8
    }
  }
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
