import { type Authority, createAuthority, type TestSource, type TestSvid } from '@countersign/testkit'

/** The callers of the demo, good and bad, by what the table calls them; each line says what they show. */
export const callers = {
  'core-api': ({ ours }) => ours.issue(coreApi),
  'analytics-service': ({ ours }) => ours.issue(`${production}/analytics-service`),
  'notification-service': ({ ours }) => ours.issue(`${production}/notification-service`),
  'core-api of staging': ({ ours }) => ours.issue('spiffe://saas.example/ns/staging/sa/core-api'),
  "the partner's core-api": ({ partner }) => partner.issue('spiffe://partner.example/ns/production/sa/core-api'),
  'no certificate': () => Promise.resolve(null),
  'core-api, from a wrong CA': ({ stranger }) => stranger.issue(coreApi),
  'core-api, signed by the partner': ({ partner }) => partner.issue(coreApi, { faults: ['foreign_trust_domain'] }),
  'core-api, two URI SANs': ({ ours }) => ours.issue(coreApi, { faults: ['two_uri_sans'] }),
  'core-api, 3 seconds of life': ({ ours }) => ours.issue(coreApi, { ttlSeconds: 3 }),
} satisfies Record<string, Issue>

/** A caller's name in the table. */
export type CallerName = keyof typeof callers

/** What a caller shows in the handshake: an SVID issued now, or null for none. */
export type Issue = (authorities: Authorities) => Promise<TestSvid | null>

/** Who signs in the demo. */
export interface Authorities {
  /** Of saas.example, our trust domain. */
  readonly ours: Authority
  /** Of partner.example, whose bundle our service holds and whose callers it authenticates. */
  readonly partner: Authority
  /** Says that it is of saas.example, and its certificate is in nobody's bundle. */
  readonly stranger: Authority
}

/** Creates the authorities, in memory and for two days: longer than any SVID of the demo. */
export async function createAuthorities(): Promise<Authorities> {
  const ttlSeconds = 2 * day
  const [ours, partner, stranger] = await Promise.all([
    createAuthority('saas.example', { ttlSeconds }),
    createAuthority('partner.example', { ttlSeconds }),
    createAuthority('saas.example', { ttlSeconds }),
  ])
  return { ours, partner, stranger }
}

/** What the service itself holds: an SVID, also good for curl, which knows only host names, and both bundles. */
export async function createSource({ ours, partner }: Authorities): Promise<TestSource> {
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }
  const svid = await ours.issue(`${production}/billing-service`, { ttlSeconds: day, ...names })
  return ours.source(svid.spiffeId, { svid, federated: [partner] })
}

/** A day, in seconds. */
export const day = 86_400

const production = 'spiffe://saas.example/ns/production/sa'
const coreApi = `${production}/core-api`
