import type { Certificate } from '../certificate/certificate.ts'
import { CertificateCache } from '../certificate/certificate-cache.ts'
import { fingerprintAuthorities, readAuthorities, type SelectedAuthorities } from './authorities.ts'
import { type BundleFault, toError } from './bundle-fault.ts'

/**
 * The X.509 authorities of a CA without SPIFFE: whoever they certify is known by common name or DNS name. Immutable: a
 * changed bundle is another object, and what was verified under the old one is verified again.
 */
export class CaBundle {
  readonly authorities: readonly Certificate[]
  /** Equal for bundles of the same content, whatever the order. */
  readonly fingerprint: string
  /** What is wrong with authorities that were left out. */
  readonly faults: readonly BundleFault[]

  private constructor({ authorities, faults }: SelectedAuthorities) {
    this.authorities = authorities
    this.faults = faults
    this.fingerprint = fingerprintAuthorities(caName, authorities)
    Object.freeze(this)
  }

  /**
   * Reads the authorities from PEM or concatenated DER. Those that can prove nobody (unreadable, no CA, no keyCertSign, a
   * weak key) are left out and are `faults`.
   *
   * @param now epoch milliseconds; authorities that have expired by then are left out. Default none are
   * @throws {CertificateError} `bundle_empty`, `bundle_too_large`, or the code of the first fault when there is no other
   * authority
   */
  static parse(input: string | Uint8Array, now?: number): CaBundle {
    const selected = readAuthorities(caName, input, { now, cache: new CertificateCache() })
    const [fault] = selected.faults
    if (selected.authorities.length === 0 && fault !== undefined) throw toError(caName, fault)
    return new CaBundle(selected)
  }
}

const caName = 'the CA'
