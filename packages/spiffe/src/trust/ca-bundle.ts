import { checkContent } from '../options.ts'
import type { Certificate } from '../certificate/certificate.ts'
import { CertificateCache } from '../certificate/certificate-cache.ts'
import {
  fingerprintAuthorities,
  type PublishedCertificate,
  type ReadContext,
  type SelectedAuthorities,
  selectAuthorities,
  splitBundle,
} from './authorities.ts'
import { type BundleFault, toError } from './bundle-fault.ts'

// Set by the class itself: nothing else reaches its constructor.
let mint: (selected: SelectedAuthorities) => CaBundle

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
    checkContent(input, caName)
    return selectCa(splitCa(input), { now, cache: new CertificateCache() })
  }

  static {
    mint = (selected: SelectedAuthorities): CaBundle => new CaBundle(selected)
  }
}

/**
 * Cuts one file of a CA into its certificates; for a CA in several files.
 *
 * @throws {CertificateError} as `splitBundle`
 */
export function splitCa(input: string | Uint8Array): readonly PublishedCertificate[] {
  return splitBundle(caName, input)
}

/** The same CA with these of its authorities only, and with more faults. */
export function withCaAuthorities(ca: CaBundle, { authorities, faults }: SelectedAuthorities): CaBundle {
  return faults.length === 0 ? ca : mint({ authorities, faults: [...ca.faults, ...faults] })
}

/**
 * Refuses a CA of which no authority can be used.
 *
 * @throws {CertificateError} {SourceError} with the code of the first fault
 */
export function refuseUselessCa(ca: CaBundle): CaBundle {
  const [fault] = ca.faults
  if (ca.authorities.length === 0 && fault !== undefined) throw toError(caName, fault)
  return ca
}

/**
 * The CA that these certificates make up.
 *
 * @throws {CertificateError} as `CaBundle.parse`
 */
export function selectCa(published: readonly PublishedCertificate[], context: ReadContext): CaBundle {
  return refuseUselessCa(mint(selectAuthorities(caName, published, context)))
}

const caName = 'the CA'
