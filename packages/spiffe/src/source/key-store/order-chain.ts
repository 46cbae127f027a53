import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { maxChainCertificates } from '../../certificate/path-checks.ts'
import { CertificateError } from '../../errors.ts'

/**
 * Puts the certificates of a store in order for the handshake: that of its private key, then its issuers as far as they
 * are there, without self-signed ones and without what does not belong to it. All in DER, the key as PKCS#8.
 *
 * @throws {CertificateError} `key_store_malformed` for what cannot be read, for no or several certificates of the key,
 * and for a chain of more certificates than a peer looks at
 */
export function orderChain(key: Buffer, encoded: readonly Buffer[]): readonly Buffer[] {
  const privateKey = decodeKey(key)
  const distinct = new Map(encoded.map((der) => [der.toString('latin1'), der]))
  const certificates = [...distinct.values()].map(decodeCertificate)
  const [leaf, ...more] = certificates.filter((certificate) => certificate.checkPrivateKey(privateKey))
  if (leaf === undefined) return refuse('a private key without its certificate', 'both in one store')
  if (more.length > 0) refuse(`${more.length + 1} certificates of its private key`, 'one')
  const chain = [leaf]
  for (const child of chain) {
    // Each step looks at every certificate of the store.
    if (chain.length > maxChainCertificates)
      refuse('a chain without end', `at most ${maxChainCertificates} certificates`)
    // The self-signed end is what a peer must have already.
    const isNext = (each: X509Certificate): boolean => child.checkIssued(each) && !each.checkIssued(each)
    const issuer = certificates.find((each) => !chain.includes(each) && isNext(each))
    if (issuer !== undefined) chain.push(issuer)
  }
  return chain.map(({ raw }) => raw)
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
