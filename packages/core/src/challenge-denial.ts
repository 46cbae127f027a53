import { createDenial, type Denial } from '@countersign/authorization'

/**
 * Returns the denial for an anonymous caller, with a challenge to authenticate (RFC 9110 §15.5.2). Denials with a
 * status other than 403 are unchanged.
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

/** Returns the authentication scheme of the challenge. */
export function findChallenge(acceptsTokens: boolean): string {
  return acceptsTokens ? 'Bearer' : 'ClientCertificate'
}
