import forge from 'node-forge'

/** Decrypts RC2-CBC with a 40-bit key, which OpenSSL has only in its legacy provider. Returns undefined if it fails. */
export function decryptRc2(key: Buffer, iv: Buffer, data: Buffer): Buffer | undefined {
  const cipher = forge.rc2.createDecryptionCipher(toBinary(key), 40)
  cipher.start(toBinary(iv))
  cipher.update(forge.util.createBuffer(toBinary(data)))
  return cipher.finish() ? Buffer.from(cipher.output.getBytes(), 'latin1') : undefined
}

function toBinary(bytes: Buffer): string {
  return bytes.toString('latin1')
}
