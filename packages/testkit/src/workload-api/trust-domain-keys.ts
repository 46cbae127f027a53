import { ConfigurationError } from '@countersign/spiffe'
import type { Authority } from '../authority.ts'
import { decodePem } from './decode-pem.ts'
import { createJwtAuthority, type JwtAuthority } from './jwt-authority.ts'

/** The authorities of one trust domain: the one that issues, and those that are trusted a while longer. */
export interface TrustDomainKeys {
  readonly x509: Authority
  readonly jwt: JwtAuthority
  readonly former: readonly FormerAuthorities[]
}

/** Authorities that issue no more. */
interface FormerAuthorities {
  readonly x509: Authority
  readonly jwt: JwtAuthority
  /** Epoch milliseconds of the moment when they leave the bundles. */
  readonly retireAt: number
}

/**
 * Makes the keys of every trust domain; each gets a JWT authority of its own.
 *
 * @throws {ConfigurationError} `option_invalid` for no authority, and for two of one trust domain
 */
export async function createKeys(authorities: readonly Authority[]): Promise<Map<string, TrustDomainKeys>> {
  const pairs = await Promise.all(authorities.map(async (x509) => [x509.trustDomain, await foundKeys(x509)] as const))
  const keys = new Map(pairs)
  if (keys.size > 0 && keys.size === authorities.length) return keys
  const found = authorities.map(({ trustDomain }) => trustDomain).join(', ')
  const message = `authorities: found '${found}', expected one of each trust domain; for a second one use setAuthority`
  throw new ConfigurationError('option_invalid', message, { value: found })
}

/** The keys of a trust domain that begins with this authority. */
export async function foundKeys(x509: Authority): Promise<TrustDomainKeys> {
  return { x509, jwt: await createJwtAuthority(), former: [] }
}

/** The DER of each X.509 authority, the issuing one first. */
export function listX509Authorities({ x509, former }: TrustDomainKeys): readonly Buffer[] {
  return decodePem([x509, ...former.map((one) => one.x509)].map(({ bundlePem }) => bundlePem).join(''))
}

/** Each JWT authority, the signing one first. */
export function listJwtAuthorities({ jwt, former }: TrustDomainKeys): readonly JwtAuthority[] {
  return [jwt, ...former.map((one) => one.jwt)]
}
