import type { CaBundle } from '../trust/ca-bundle.ts'
import type { PeerTrust } from '../trust/peer-trust.ts'
import type { SubjectIdentity } from './subject-identity.ts'
import { carryOverSubject, verifySubject } from './verify-subject.ts'
import type { X509Subject } from './x509-subject.ts'

/** There is only one CA, and it has no trust domain. */
const trustDomain = ''

/** Creates the trust for peers of one CA without SPIFFE, identified by a closed list of names. */
export function createSubjectTrust(ca: CaBundle, identity: SubjectIdentity): PeerTrust<X509Subject> {
  return {
    authorities: ca.authorities,
    bundles: [ca],
    verify: (claim) => {
      const additional = [...claim.additional, ...(claim.known?.(trustDomain) ?? [])]
      const verdict = verifySubject({ ...claim, additional, ca }, identity)
      if (verdict.ok) return { ok: true, proof: verdict.subject }
      const { name, ...why } = verdict
      return name === undefined ? why : { ...why, subject: name }
    },
    holds: ({ bundle }) => bundle === ca,
    carryOver: (subject) => carryOverSubject(subject, ca),
    trustDomainOf: () => trustDomain,
  }
}
