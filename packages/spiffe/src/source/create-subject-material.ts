import type { KeyObject } from 'node:crypto'
import type { Certificate } from '../certificate/certificate.ts'
import { CertificateError } from '../errors.ts'
import { verifyOwnChain } from '../subject/verify-subject.ts'
import { type CaBundle, refuseUselessCa, withCaAuthorities } from '../trust/ca-bundle.ts'
import type { SubjectMaterial } from '../trust/x509-source.ts'
import { selectSelfSigned } from './check-authorities.ts'
import { describeOwnFault } from './describe-own-fault.ts'
import { createOwnCertificate } from './own-certificate.ts'
import { prepareOwnChain } from './own-chain.ts'
import { checkKeyFits } from './private-key.ts'

/** The key and chain of a workload, and the CA that it shares with others, already parsed. */
export interface SubjectParts {
  readonly key: KeyObject
  /** Leaf first. */
  readonly certificates: readonly Certificate[]
  readonly ca: CaBundle
}

/**
 * Creates the material of a workload with a certificate from a CA without SPIFFE. The key belongs to the leaf, and the
 * chain ends at the CA. It is valid at `now` (epoch milliseconds) for at least one side of a handshake.
 *
 * @throws {CertificateError} if one of these conditions is not met; the message states which
 */
export function assembleSubjectMaterial(parts: SubjectParts, now: number): SubjectMaterial {
  const { key, certificates } = parts
  const [leaf, ...intermediates] = certificates
  if (leaf === undefined)
    throw new CertificateError('certificate_missing', 'cert: found no certificate, expected our own')
  checkKeyFits(key, leaf)
  const ca = refuseUselessCa(withCaAuthorities(parts.ca, selectSelfSigned(undefined, parts.ca.authorities)))
  const verdict = verifyOwnChain({ chain: certificates.map(({ der }) => der), ca, now })
  if (!verdict.ok) {
    throw new CertificateError('svid_unusable', describeOwnFault(verdict), { value: verdict.reason })
  }
  const { path, expiresAt, sides } = verdict
  const chain = prepareOwnChain({ certificates: [leaf, ...intermediates], path, authorities: ca.authorities })
  const certificate = createOwnCertificate({ key, certificates: chain, expiresAt, sides })
  return Object.freeze({ kind: 'subject', certificate, ca })
}
