import { endOfValidity } from '@countersign/spiffe/internal'
import type { Proof } from './proof.ts'

/** Describes what ended a proof and when: a certificate of its path expired, or a revocation list became stale. */
export function describeEnd({ path, expiresAt }: Proof): string {
  const isExpired = path.some((certificate) => endOfValidity(certificate) <= expiresAt)
  const what = isExpired ? 'the certificate expired' : 'the revocation list for the certificate became stale'
  return `${what} at ${new Date(expiresAt).toISOString()}`
}
