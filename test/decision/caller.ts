import { mintPrincipal, type Principal } from '../../packages/core/src/principal/principal.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'

/** A principal with a SPIFFE ID and these authorities, for evaluating requirements. */
export function createCaller(spiffeId: string, ...authorities: readonly string[]): Principal {
  const parsed = SpiffeId.parse(spiffeId)
  const [ns, namespace, sa, serviceAccount, ...more] = parsed.segments
  const isAccount = ns === 'ns' && sa === 'sa' && more.length === 0
  return mintPrincipal({
    name: spiffeId,
    spiffeId: parsed,
    ...(isAccount && namespace !== undefined && serviceAccount !== undefined && { namespace, serviceAccount }),
    authorities,
    credential: 'x509-svid',
    expiresAt: 0,
  })
}

/** A principal that is identified by a common name and has no SPIFFE ID. */
export function createNamedCaller(name: string, ...authorities: readonly string[]): Principal {
  return mintPrincipal({ name, authorities, credential: 'x509-subject', expiresAt: 0 })
}
