import { X509Certificate } from 'node:crypto'
import { type Certificate, clientAuth, serverAuth } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isNamedIssuer } from '../certificate/issuer-match.ts'
import { CertificateError } from '../errors.ts'

/** Our own chain and the path by which it was verified. */
export interface OwnPath {
  /** Leaf first, as configured. */
  readonly certificates: readonly [Certificate, ...Certificate[]]
  /** Leaf first, authority last. */
  readonly path: readonly Certificate[]
  /** The authorities of the bundle that the path ends in. */
  readonly authorities: readonly Certificate[]
}

/**
 * Checks that peers that verify with OpenSSL accept our own chain, and returns the chain to present. Our verifier has
 * already accepted it, including key identifiers. These checks reject chains that RFC 5280 allows.
 *
 * @throws {CertificateError} `svid_unusable`
 */
export function prepareOwnChain(own: OwnPath): readonly [Certificate, ...Certificate[]] {
  for (const issuer of own.path.slice(1)) checkPurpose(issuer)
  for (const intermediate of own.path.slice(1, -1)) checkNotSelfSigned(intermediate)
  return completeOwnChain(own)
}

// RFC 5280 §4.2.1.12 lets anyExtendedKeyUsage replace all others, but OpenSSL does not.
function checkPurpose(issuer: Certificate): void {
  const { extendedKeyUsage } = issuer
  if (extendedKeyUsage === undefined || extendedKeyUsage.some((usage) => purposes.includes(usage))) return
  refuse(
    `the extended key usage of ${describeCertificate(issuer)} has anyExtendedKeyUsage and neither serverAuth nor clientAuth, which OpenSSL requires; issue it with both, or without an extended key usage`,
  )
}

const purposes: readonly string[] = [serverAuth, clientAuth]

// OpenSSL itself decides: it treats a certificate as self-signed if it has its issuer's name and no key identifier that
// contradicts this. The chain would then end at a certificate that is not an authority.
function checkNotSelfSigned(intermediate: Certificate): void {
  const certificate = new X509Certificate(intermediate.der)
  if (!certificate.checkIssued(certificate)) return
  refuse(
    `the intermediate ${describeCertificate(intermediate)} has the name of its issuer and no authority key identifier, so OpenSSL treats it as self-signed; issue it with an authority key identifier, or under a different name`,
  )
}

// A peer may have only the self-signed authority, and TLS sends only the certificates that we pass to it.
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
    `our own certificate: peers that verify with OpenSSL reject it: ${finding}`,
    {
      value: 'openssl_refuses',
    },
  )
}
