import type { Certificate } from '../certificate/certificate.ts'
import { fingerprintAuthorities, parseAuthorities } from './authorities.ts'

/**
 * The X.509 authorities of a CA without SPIFFE: whoever they certify is known by common name or DNS name. Immutable: a
 * changed bundle is another object, and what was verified under the old one is verified again.
 */
export class CaBundle {
  readonly authorities: readonly Certificate[]
  /** Equal for bundles of the same content, whatever the order. */
  readonly fingerprint: string

  private constructor(authorities: readonly Certificate[]) {
    this.authorities = authorities
    this.fingerprint = fingerprintAuthorities(caName, authorities)
    Object.freeze(this)
  }

  /**
   * Reads the authorities from PEM or concatenated DER.
   *
   * @throws {CertificateError} `bundle_empty`, `bundle_too_large`, or `authority_unusable` for a certificate that can
   * issue nothing
   */
  static parse(input: string | Uint8Array): CaBundle {
    return new CaBundle(parseAuthorities(caName, input))
  }
}

const caName = 'the CA'
