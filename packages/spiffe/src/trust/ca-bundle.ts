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

// Set in the static block of the class, because the constructor is private.
let mint: (selected: SelectedAuthorities) => CaBundle

/**
 * The X.509 authorities of a CA that does not issue SPIFFE IDs. Peers with its certificates are identified by common
 * name or DNS name. Immutable: a changed bundle is a new object, and proofs made under the old one are verified again.
 */
export class CaBundle {
  readonly authorities: readonly Certificate[]
  /** Equal for bundles with the same content in any order. */
  readonly fingerprint: string
  /** The faults of authorities that were left out. */
  readonly faults: readonly BundleFault[]

  private constructor({ authorities, faults }: SelectedAuthorities) {
    this.authorities = authorities
    this.faults = faults
    this.fingerprint = fingerprintAuthorities(caName, authorities)
    Object.freeze(this)
  }

  /**
   * Reads the authorities from PEM or concatenated DER. Unusable ones (unreadable, not a CA, without keyCertSign, weak
   * key) are left out and reported in `faults`.
   *
   * @param now epoch milliseconds; authorities that have expired by then are left out. By default none are
   * @throws {CertificateError} `bundle_empty`, `bundle_too_large`, or the code of the first fault if no usable
   * authority is left
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
 * Splits one CA file into its certificates. For a CA in several files.
 *
 * @throws {CertificateError} as `splitBundle`
 */
export function splitCa(input: string | Uint8Array): readonly PublishedCertificate[] {
  return splitBundle(caName, input)
}

/** Returns the same CA with only the selected authorities and with additional faults. */
export function withCaAuthorities(ca: CaBundle, { authorities, faults }: SelectedAuthorities): CaBundle {
  return faults.length === 0 ? ca : mint({ authorities, faults: [...ca.faults, ...faults] })
}

/**
 * Returns the CA unless none of its authorities is usable.
 *
 * @throws {CertificateError} {SourceError} with the code of the first fault
 */
export function refuseUselessCa(ca: CaBundle): CaBundle {
  const [fault] = ca.faults
  if (ca.authorities.length === 0 && fault !== undefined) throw toError(caName, fault)
  return ca
}

/**
 * Returns the CA that consists of these certificates.
 *
 * @throws {CertificateError} as `CaBundle.parse`
 */
export function selectCa(published: readonly PublishedCertificate[], context: ReadContext): CaBundle {
  return refuseUselessCa(mint(selectAuthorities(caName, published, context)))
}

const caName = 'the CA'
