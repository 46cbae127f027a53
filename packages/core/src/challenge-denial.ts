import { createDenial, type Denial } from '@countersign/authorization'

/**
 * Returns the denial that an anonymous caller receives: it has to authenticate first (RFC 9110 §15.5.2). Denials with
 * another status than 403 stay as they are.
 */
export function challengeDenial(denial: Denial, challenge: string): Denial {
  if (denial.status !== 403) return denial
  const { reason, detail, rule, missing, policy } = denial
  return createDenial(reason, detail, {
    challenge,
    ...(rule !== undefined && { rule }),
    ...(missing !== undefined && { missing }),
    ...(policy !== undefined && { policy }),
  })
}

/** Returns the scheme with which an anonymous caller is asked to authenticate. */
export function findChallenge(acceptsTokens: boolean): string {
  return acceptsTokens ? 'Bearer' : 'ClientCertificate'
}
