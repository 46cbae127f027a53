import { ConfigurationError } from '@countersign/spiffe'
import type { Authority } from '../authority.ts'
import { decodePem } from './decode-pem.ts'
import { createJwtAuthority, type JwtAuthority } from './jwt-authority.ts'

/** The authorities of one trust domain: the issuing one, and those that are still trusted for a while. */
export interface TrustDomainKeys {
  readonly x509: Authority
  readonly jwt: JwtAuthority
  readonly former: readonly FormerAuthorities[]
}

/** Authorities that no longer issue. */
interface FormerAuthorities {
  readonly x509: Authority
  readonly jwt: JwtAuthority
  /** Epoch milliseconds: when they are removed from the bundles. */
  readonly retireAt: number
}

/**
 * Creates the keys of every trust domain, each with its own JWT authority.
 *
 * @throws {ConfigurationError} `option_invalid` without an authority, or with two of the same trust domain
 */
export async function createKeys(authorities: readonly Authority[]): Promise<Map<string, TrustDomainKeys>> {
  const pairs = await Promise.all(authorities.map(async (x509) => [x509.trustDomain, await foundKeys(x509)] as const))
  const keys = new Map(pairs)
  if (keys.size > 0 && keys.size === authorities.length) return keys
  const found = authorities.map(({ trustDomain }) => trustDomain).join(', ')
  const message = `authorities: found '${found}', expected one of each trust domain; for a second one use setAuthority`
  throw new ConfigurationError('option_invalid', message, { value: found })
}

/** Creates the keys of a trust domain whose first authority is this one. */
export async function foundKeys(x509: Authority): Promise<TrustDomainKeys> {
  return { x509, jwt: await createJwtAuthority(), former: [] }
}

/** Returns the DER of each X.509 authority, the issuing one first. */
export function listX509Authorities({ x509, former }: TrustDomainKeys): readonly Buffer[] {
  return decodePem([x509, ...former.map((one) => one.x509)].map(({ bundlePem }) => bundlePem).join(''))
}

/** Returns each JWT authority, the signing one first. */
export function listJwtAuthorities({ jwt, former }: TrustDomainKeys): readonly JwtAuthority[] {
  return [jwt, ...former.map((one) => one.jwt)]
}
