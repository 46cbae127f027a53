import { SpiffeId } from '@countersign/spiffe/id'
import { parseStringList } from '@countersign/spiffe/options'
import { readAccount } from './account.ts'
import type { Principal } from './principal.ts'

/**
 * Returns the principal that a caller with this SPIFFE ID would have, for tools, tests and browser pages that show what
 * rules decide. The principal is not verified: never create one from data in a request.
 *
 * @param authorities the caller's authorities; default: none
 * @throws {SpiffeIdError} if `spiffeId` is not a SPIFFE ID
 * @throws {ConfigurationError} `option_invalid` if an authority is not a non-empty string
 * @example assumePrincipal('spiffe://saas.example/ns/production/sa/core-api', ['SERVICE_core-api']).namespace //
 * 'production'
 */
export function assumePrincipal(spiffeId: string, authorities: readonly string[] = []): Principal {
  const id = SpiffeId.parse(spiffeId)
  const held: ReadonlySet<string> = new Set(
    authorities.length === 0 ? [] : parseStringList(authorities, 'assumePrincipal: authorities'),
  )
  return Object.freeze({
    name: id.toString(),
    spiffeId: id,
    trustDomain: id.trustDomain,
    ...readAccount(id),
    authorities: Object.freeze([...held]),
    credential: 'x509-svid',
    expiresAt: Number.MAX_SAFE_INTEGER,
    hasAuthority: (name: string) => held.has(name),
  })
}
