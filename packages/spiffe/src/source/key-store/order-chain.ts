import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { maxChainCertificates } from '../../certificate/path-checks.ts'
import { CertificateError } from '../../errors.ts'

/**
 * Orders the certificates of a store for the handshake: the one of its private key, then its issuers as far as they are
 * present. Omits self-signed and unrelated certificates. All in DER, the key as PKCS#8.
 *
 * @throws {CertificateError} `key_store_malformed` if the key or a certificate cannot be read, if the key has no
 * certificate or several, for a chain that is longer than peers accept, and for too many possible issuers
 */
export function orderChain(key: Buffer, encoded: readonly Buffer[]): readonly Buffer[] {
  const privateKey = decodeKey(key)
  const distinct = new Map(encoded.map((der) => [der.toString('latin1'), der]))
  const certificates = [...distinct.values()].map(decodeCertificate)
  const [leaf, ...more] = certificates.filter((certificate) => certificate.checkPrivateKey(privateKey))
  if (leaf === undefined) return refuse('a private key without its certificate', 'both in one store')
  if (more.length > 0) refuse(`${more.length + 1} certificates of its private key`, 'one')
  const chain = [leaf]
  let checked = 0
  for (const child of chain) {
    // Limits the work, because each step checks every certificate of the store.
    if (chain.length > maxChainCertificates)
      refuse('a chain that does not end', `at most ${maxChainCertificates} certificates`)
    // A peer must already have the self-signed certificate at the end.
    const isNamed = (each: X509Certificate): boolean => child.checkIssued(each) && !each.checkIssued(each)
    const issuer = certificates.find((each) => {
      if (chain.includes(each) || !isNamed(each)) return false
      checked += 1
      if (checked > maxSignatures) refuse(`more than ${maxSignatures} possible issuers`, 'one for each name')
      // `checkIssued` compares names and key identifiers only. Renewed authorities keep their name.
      return hasSigned(each, child)
    })
    if (issuer !== undefined) chain.push(issuer)
  }
  return chain.map(({ raw }) => raw)
}

// Each certificate of a store can have the name of an issuer, and verifying a signature is expensive.
const maxSignatures = 64

function hasSigned(issuer: X509Certificate, child: X509Certificate): boolean {
  try {
    return child.verify(issuer.publicKey)
  } catch {
    // A key or an algorithm that Node does not support.
    return false
  }
}

function decodeKey(der: Buffer): KeyObject {
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } catch {
    return refuse('a private key that cannot be read', 'PKCS#8')
  }
}

function decodeCertificate(der: Buffer): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch {
    return refuse('a certificate that cannot be read', 'X.509')
  }
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('key_store_malformed', `key store: found ${found}, expected ${expected}`)
}
