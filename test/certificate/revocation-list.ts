import { bitString, integer, name, sequence, time, tlv } from './encode.ts'
import { keyPair, now, signer, type Signer } from './issue.ts'

/*
 * Revocation lists from fields written by hand.
 */

/** The encoded fields of a list; omitted ones are valid. */
export interface CrlFields {
  /** Empty for version 1. */
  readonly version: Buffer
  readonly signedAlgorithm: Buffer
  readonly issuer: Buffer
  readonly thisUpdate: Buffer
  /** Empty omits it. */
  readonly nextUpdate: Buffer
  /** Encoded entries; null omits the field. */
  readonly entries: readonly Buffer[] | null
  /** Encoded extensions; null omits the field. */
  readonly extensions: readonly Buffer[] | null
  /** After the last field. */
  readonly rest: Buffer
  readonly signer: Signer
}

const hour = 3_600_000

/** Creates a signed list that is current at `now`. */
export function encodeCrl(fields: Partial<CrlFields> = {}): Buffer {
  const { signer: by = signer(keyPair().privateKey), entries = null, extensions = null } = fields
  const signed = sequence(
    fields.version ?? integer(1),
    fields.signedAlgorithm ?? by.algorithm,
    fields.issuer ?? name('O=Authority'),
    fields.thisUpdate ?? time(now - hour),
    fields.nextUpdate ?? time(now + hour),
    ...(entries === null ? [] : [sequence(...entries)]),
    ...(extensions === null ? [] : [tlv(0xa0, sequence(...extensions))]),
    fields.rest ?? Buffer.alloc(0),
  )
  return sequence(signed, by.algorithm, bitString(by.sign(signed)))
}

/** Creates an entry from an encoded serial number and encoded extensions. */
export function entry(serialNumber: Buffer, ...extensions: readonly Buffer[]): Buffer {
  return sequence(serialNumber, time(now - hour), ...(extensions.length === 0 ? [] : [sequence(...extensions)]))
}
