import type { SignatureRefusal } from './certificate.ts'
import { derTag } from './der.ts'
import { DerReader, enterOnly } from './der-reader.ts'
import { decodeObjectIdentifier, decodeUnsigned } from './der-values.ts'

/**
 * Reads the parameters of RSASSA-PSS (RFC 4055 §3.1). Accepts only the same hash for message and mask, and a salt at
 * least as long as the digest. The defaults for omitted fields, SHA-1 and a salt of 20 bytes, are rejected.
 */
export function parsePssParameters(
  parameters: Buffer | undefined,
): { readonly hash: string; readonly saltLength: number } | SignatureRefusal {
  if (parameters === undefined) return 'unsupported_algorithm'
  try {
    const fields = enterOnly(parameters, derTag.sequence, 'RSASSA-PSS')
    const [hashField, maskField, saltField] = [fields.nextIf(0xa0), fields.nextIf(0xa1), fields.nextIf(0xa2)]
    // The trailer field has only its default value, which DER omits.
    fields.end()
    const hash = hashField === undefined ? sha1 : readAlgorithm(hashField.content)
    const maskHash = maskField === undefined ? sha1 : readMaskHash(maskField.content)
    const saltLength = saltField === undefined ? 20 : readSaltLength(saltField.content)
    if (weakHashes.has(hash) || weakHashes.has(maskHash)) return 'weak_algorithm'
    const digest = digests.get(hash)
    const isSane = digest !== undefined && hash === maskHash && saltLength >= digest.bytes && saltLength <= 1024
    return isSane ? { hash: digest.name, saltLength } : 'unsupported_algorithm'
  } catch {
    return 'unsupported_algorithm'
  }
}

const sha1 = '1.3.14.3.2.26'
const mgf1 = '1.2.840.113549.1.1.8'

/** MD5, SHA-1 and SHA-224. */
const weakHashes: ReadonlySet<string> = new Set(['1.2.840.113549.2.5', sha1, '2.16.840.1.101.3.4.2.4'])

const digests: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map([
  ['2.16.840.1.101.3.4.2.1', { name: 'sha256', bytes: 32 }],
  ['2.16.840.1.101.3.4.2.2', { name: 'sha384', bytes: 48 }],
  ['2.16.840.1.101.3.4.2.3', { name: 'sha512', bytes: 64 }],
])

/** Reads a hash. Its parameters must be NULL or absent (RFC 4055 §2.1). */
function readAlgorithm(bytes: Buffer): string {
  const fields = enterOnly(bytes, derTag.sequence, 'hash')
  const hash = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'hash')
  fields.nextIf(derTag.null)
  fields.end()
  return hash
}

/** Reads the hash of MGF1, the only standard mask generation function. Returns an empty text for any other function. */
function readMaskHash(bytes: Buffer): string {
  const fields = enterOnly(bytes, derTag.sequence, 'mask')
  const mask = decodeObjectIdentifier(fields.next(derTag.objectIdentifier), 'mask')
  const hash = readAlgorithm(fields.next(derTag.sequence).encoded)
  fields.end()
  return mask === mgf1 ? hash : ''
}

function readSaltLength(bytes: Buffer): number {
  const reader = new DerReader(bytes, 'salt')
  const length = decodeUnsigned(reader.next(derTag.integer), 'salt')
  reader.end()
  return length
}
