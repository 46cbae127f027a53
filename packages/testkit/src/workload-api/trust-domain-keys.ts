import { ConfigurationError } from '@countersign/spiffe'
import type { Authority } from '../authority.ts'
import type { JwtAuthorityKey } from '../jwt-authority.ts'
import { decodePem } from './decode-pem.ts'

/** The authorities of one trust domain: the issuing one, and those that are still trusted for a while. */
export interface TrustDomainKeys {
  /** Issues X.509-SVIDs and JWT-SVIDs. */
  readonly issuer: Authority
  readonly former: readonly FormerAuthority[]
}

/** An authority that no longer issues. */
interface FormerAuthority {
  readonly authority: Authority
  /** Epoch milliseconds: when it is removed from the bundles. */
  readonly retireAt: number
}

/**
 * Returns the keys of every trust domain.
 *
 * @throws {ConfigurationError} `option_invalid` without an authority, or with two of the same trust domain
 */
export function createKeys(authorities: readonly Authority[]): Map<string, TrustDomainKeys> {
  const keys = new Map(authorities.map((issuer) => [issuer.trustDomain, { issuer, former: [] }]))
  if (keys.size > 0 && keys.size === authorities.length) return keys
  const found = authorities.map(({ trustDomain }) => trustDomain).join(', ')
  const message = `authorities: found '${found}', expected one of each trust domain; for a second one use setAuthority`
  throw new ConfigurationError('option_invalid', message, { value: found })
}

/** Returns the DER of each X.509 authority, the issuing one first. */
export function listX509Authorities(keys: TrustDomainKeys): readonly Buffer[] {
  return decodePem(
    listAuthorities(keys)
      .map(({ bundlePem }) => bundlePem)
      .join(''),
  )
}

/** Returns the key of each JWT authority, the signing one first. A root and its intermediates share one. */
export function listJwtAuthorities(keys: TrustDomainKeys): readonly JwtAuthorityKey[] {
  return [...new Map(listAuthorities(keys).map(({ jwtAuthority }) => [jwtAuthority.kid, jwtAuthority])).values()]
}

function listAuthorities({ issuer, former }: TrustDomainKeys): readonly Authority[] {
  return [issuer, ...former.map(({ authority }) => authority)]
}
