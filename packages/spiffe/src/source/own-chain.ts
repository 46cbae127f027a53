import { X509Certificate } from 'node:crypto'
import { type Certificate, clientAuth, serverAuth } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isNamedIssuer } from '../certificate/issuer-match.ts'
import { CertificateError } from '../errors.ts'

/** Our own chain and the path by which it was verified. */
export interface OwnPath {
  /** Leaf first, as it came from outside. */
  readonly certificates: readonly [Certificate, ...Certificate[]]
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** Of the bundle that the path ends in. */
  readonly authorities: readonly Certificate[]
}

/**
 * Checks that a peer which verifies by OpenSSL accepts our own chain, and gives the chain to present. Our verifier has
 * accepted it already, key identifiers included; what is checked here RFC 5280 allows.
 *
 * @throws {CertificateError} `svid_unusable`
 */
export function prepareOwnChain(own: OwnPath): readonly [Certificate, ...Certificate[]] {
  for (const issuer of own.path.slice(1)) checkPurpose(issuer)
  for (const intermediate of own.path.slice(1, -1)) checkNotSelfSigned(intermediate)
  return completeOwnChain(own)
}

// RFC 5280 §4.2.1.12 lets anyExtendedKeyUsage stand for every other one, OpenSSL does not.
function checkPurpose(issuer: Certificate): void {
  const { extendedKeyUsage } = issuer
  if (extendedKeyUsage === undefined || extendedKeyUsage.some((usage) => purposes.includes(usage))) return
  refuse(
    `the extended key usage of ${describeCertificate(issuer)} has anyExtendedKeyUsage and neither serverAuth nor clientAuth, which OpenSSL requires; issue it with both, or without an extended key usage`,
  )
}

const purposes: readonly string[] = [serverAuth, clientAuth]

// By OpenSSL's own word: with the name of its issuer, and without a key identifier that says otherwise, it is the end of the
// chain, and not one of the authorities.
function checkNotSelfSigned(intermediate: Certificate): void {
  const certificate = new X509Certificate(intermediate.der)
  if (!certificate.checkIssued(certificate)) return
  refuse(
    `the intermediate ${describeCertificate(intermediate)} has the name of its issuer and no authority key identifier, so OpenSSL takes it for self-signed; issue it with an authority key identifier, or under a name of its own`,
  )
}

// A peer may have no more than the self-signed authority, and TLS sends what it is given.
function completeOwnChain({ certificates, path, authorities }: OwnPath): readonly [Certificate, ...Certificate[]] {
  const [leaf, ...intermediates] = certificates
  const chain = [...intermediates]
  const isThere = ({ sha256 }: Certificate): boolean => chain.some((certificate) => certificate.sha256 === sha256)
  let last = path.at(-1)
  while (last !== undefined && !last.selfIssued) {
    const child: Certificate = last
    if (!isThere(child)) chain.push(child)
    last = authorities.find((authority) => isNamedIssuer(authority, child) && !isThere(authority))
  }
  return [leaf, ...chain]
}

function refuse(finding: string): never {
  throw new CertificateError(
    'svid_unusable',
    `our own certificate: peers that verify by OpenSSL refuse it: ${finding}`,
    {
      value: 'openssl_refuses',
    },
  )
}
