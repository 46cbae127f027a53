import { authenticated, createGuard, type Guard, hasAuthority, type Rule } from '@countersign/core'
import { createAuthority, type Running, type ServingGuard, type TestSource, type TestSvid } from '@countersign/testkit'
import { RawConnection } from './raw-connection.ts'

/** Rules under which whatever reaches a handler without being seen by its own rule falls to the last one, and passes. */
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

/** A trust domain with a service that may and one that has a perfect SVID and may not. */
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

/** One application with the guard and without, and the two callers of each. */
export interface Twins {
  readonly guarded: Running
  readonly unguarded: Running
}

/** A connection to a running application, ended with it. */
export function connectAs(running: Running, svid: TestSvid): RawConnection {
  return new RawConnection(running.as(svid))
}

/** Stands in for a guard, so that an application is served that has none. */
export const withoutGuard: ServingGuard = {
  tlsOptions: () => ({ key: plain.keyPem, cert: plain.certificatePem, requestCert: true, rejectUnauthorized: false }),
  attach: () => undefined,
}

const plain = await (await createAuthority('saas.example')).issue('spiffe://saas.example/ns/production/sa/billing')
