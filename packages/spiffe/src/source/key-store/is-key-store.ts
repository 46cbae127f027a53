/**
 * Whether bytes look like a PKCS#12 store, complete or cut off: a SEQUENCE that begins with the version 3 (RFC 7292 §4).
 * No certificate begins like this, and no private key in DER either: its version is 0 or 1.
 */
export function isKeyStore(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes
  if (tag !== 0x30) return false
  const start = length > 0x80 ? 2 + (length & 0x7f) : 2
  return Buffer.from(bytes.subarray(start, start + 3)).toString('hex') === '020103'
}
