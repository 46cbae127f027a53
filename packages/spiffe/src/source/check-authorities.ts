import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isNamedIssuer } from '../certificate/issuer-match.ts'
import type { BundleFault } from '../trust/bundle-fault.ts'

/** Authorities where OpenSSL can end a chain, and the faults of the others. */
export interface SelfSigned {
  readonly authorities: readonly Certificate[]
  readonly faults: readonly BundleFault[]
}

/**
 * Leaves out the authorities of one bundle where OpenSSL cannot end a chain. Node's TLS servers ignore
 * `allowPartialTrustChain`, so for OpenSSL a chain ends only at a self-signed certificate. An authority that was issued
 * by another one with the same name is not self-signed.
 */
export function selectSelfSigned(trustDomain: string | undefined, all: readonly Certificate[]): SelfSigned {
  const ends = new Set(all.filter((authority) => isNamedIssuer(authority, authority)))
  // Iterating over a set includes the elements that are added meanwhile.
  for (const issuer of ends) {
    for (const authority of all) if (isNamedIssuer(issuer, authority)) ends.add(authority)
  }
  const authorities = all.filter((authority) => ends.has(authority))
  return {
    authorities,
    faults: all
      .filter((authority) => !ends.has(authority))
      .map((authority) => ({
        origin: 'content',
        trustDomain,
        code: 'authority_unusable',
        detail: `${describeCertificate(authority)} ${notSelfSigned}`,
        kind: notSelfSigned,
      })),
  }
}

const notSelfSigned =
  'is not self-signed, and OpenSSL does not accept it as the end of a chain; add the authority that issued it'
