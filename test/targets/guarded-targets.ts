import { authenticated, createGuard, type Guard, hasAuthority, type Rule } from '@countersign/core'
import { createAuthority, type Running, type ServingGuard, type TestSource, type TestSvid } from '@countersign/testkit'
import { RawConnection } from './raw-connection.ts'

/**
 * Rules under which a request that reaches a handler without matching its own rule matches the last one, and is
 * allowed.
 */
const openEndedRules: readonly Rule[] = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/api/secret', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/users/me', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/files/*', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/public/**', allow: authenticated() },
  { path: '/**', allow: authenticated() },
]

/** Handlers that only the admin service may reach under these rules. */
export const protectedHandlers: ReadonlySet<string> = new Set(['admin', 'secret', 'me', 'file'])

/** A trust domain with one allowed service, and one with a valid SVID that is not allowed. */
export interface Callers {
  readonly source: TestSource
  readonly entitled: TestSvid
  readonly attacker: TestSvid
}

export async function createCallers(): Promise<Callers> {
  const authority = await createAuthority('saas.example')
  const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
  const source = await authority.source(idOf('billing'))
  return { source, entitled: await authority.issue(idOf('admin-ui')), attacker: await authority.issue(idOf('mailer')) }
}

export function createQuietGuard(source: TestSource, rules: readonly Rule[] = openEndedRules): Guard {
  return createGuard({ source, rules, log: () => undefined })
}

/** An application with and without the guard, and the two callers of each. */
export interface Twins {
  readonly guarded: Running
  readonly unguarded: Running
}

/** A connection to a running application, which closes with it. */
export function connectAs(running: Running, svid: TestSvid): RawConnection {
  return new RawConnection(running.as(svid))
}

/** Stands in for a guard, to serve an application without one. */
export const withoutGuard: ServingGuard = {
  tlsOptions: () => ({ key: plain.keyPem, cert: plain.certificatePem, requestCert: true, rejectUnauthorized: false }),
  attach: () => undefined,
}

const plain = await (await createAuthority('saas.example')).issue('spiffe://saas.example/ns/production/sa/billing')
