import { checkTrustDomainName, SpiffeId } from './spiffe-id.ts'

/**
 * Returns the name of a trust domain, given as a bare name (`saas.example`) or as any SPIFFE ID in it.
 *
 * @throws {SpiffeIdError} with a code for the clause of SPIFFE-ID §2.1 that the text violates
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#21-trust-domain
 */
export function parseTrustDomain(text: string): string {
  if (typeof text === 'string' && text.includes(':/')) return SpiffeId.parse(text).trustDomain
  checkTrustDomainName(text, text)
  return text
}
