/**
 * Returns true if bytes look like a PKCS#12 store, complete or truncated: a SEQUENCE that begins with version 3 (RFC
 * 7292 §4). Neither a certificate nor a private key in DER begins like this: the version of a key is 0 or 1.
 */
export function isKeyStore(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes
  if (tag !== 0x30) return false
  const start = length > 0x80 ? 2 + (length & 0x7f) : 2
  return Buffer.from(bytes.subarray(start, start + 3)).toString('hex') === '020103'
}
