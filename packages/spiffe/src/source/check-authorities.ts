import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isNamedIssuer } from '../certificate/issuer-match.ts'
import type { BundleFault } from '../trust/bundle-fault.ts'

/** Authorities that OpenSSL ends chains at, and what is wrong with the others. */
export interface SelfSigned {
  readonly authorities: readonly Certificate[]
  readonly faults: readonly BundleFault[]
}

/**
 * Leaves out the authorities of one bundle at which OpenSSL ends no chain: Node's TLS servers ignore
 * `allowPartialTrustChain`, so that to OpenSSL a chain ends at a self-signed certificate only. An authority that another
 * one of the same name issued is not self-signed.
 */
export function selectSelfSigned(trustDomain: string | undefined, all: readonly Certificate[]): SelfSigned {
  const ends = new Set(all.filter((authority) => isNamedIssuer(authority, authority)))
  // A set gives what is added to it while it is walked.
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

const notSelfSigned = 'is not self-signed, and OpenSSL ends no chain there; add the authority that issued it'
