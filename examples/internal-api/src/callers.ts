import {
  type Authority,
  createAuthority,
  type IssueOptions,
  type TestSource,
  type TestSvid,
} from '@countersign/testkit'

const production = 'spiffe://saas.example/ns/production/sa'
const coreApi = `${production}/core-api`

/** The callers of the demo, valid and invalid, by their names in the table: who signs which SVID for them. */
const callers = {
  'core-api': { signer: 'ours', spiffeId: coreApi },
  'analytics-service': { signer: 'ours', spiffeId: `${production}/analytics-service` },
  'notification-service': { signer: 'ours', spiffeId: `${production}/notification-service` },
  'core-api of staging': { signer: 'ours', spiffeId: 'spiffe://saas.example/ns/staging/sa/core-api' },
  'core-api of partner': { signer: 'partner', spiffeId: 'spiffe://partner.example/ns/production/sa/core-api' },
  'no certificate': null,
  'core-api, wrong CA': { signer: 'stranger', spiffeId: coreApi },
  'core-api, signed by partner': { signer: 'partner', spiffeId: coreApi, faults: ['foreign_trust_domain'] },
  'core-api, two URI SANs': { signer: 'ours', spiffeId: coreApi, faults: ['two_uri_sans'] },
  'core-api, for 3 seconds': { signer: 'ours', spiffeId: coreApi, ttlSeconds: 3 },
} satisfies Record<string, Credentials | null>

/** A caller's name in the table. */
export type CallerName = keyof typeof callers

/** The signers of the demo. */
export interface Authorities {
  /** The authority of saas.example, our trust domain. */
  readonly ours: Authority
  /** The authority of partner.example, whose bundle our service has and whose workloads it authenticates. */
  readonly partner: Authority
  /** Claims to be of saas.example, but is in no bundle. */
  readonly stranger: Authority
}

/** Creates the authorities in memory, valid for two days, which is longer than any SVID of the demo. */
export async function createAuthorities(): Promise<Authorities> {
  const ttlSeconds = 2 * day
  const [ours, partner, stranger] = await Promise.all([
    createAuthority('saas.example', { ttlSeconds }),
    createAuthority('partner.example', { ttlSeconds }),
    createAuthority('saas.example', { ttlSeconds }),
  ])
  return { ours, partner, stranger }
}

/** The SPIFFE ID of the service. */
export const serviceId: string = `${production}/billing-service`

/** The SVID and the bundles of the service. */
export async function createSource(authorities: Authorities): Promise<TestSource> {
  const svid = await issueService(authorities)
  return authorities.ours.source(svid.spiffeId, { svid, federated: [authorities.partner] })
}

/** Issues the service's SVID for a day, with host names for clients such as curl. */
export function issueService({ ours }: Authorities): Promise<TestSvid> {
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }
  return ours.issue(serviceId, { ttlSeconds: day, ...names })
}

/**
 * Issues the SVID that a caller presents, valid for a day unless the caller's entry sets another lifetime. Returns null
 * if the caller presents none.
 */
export async function issueFor(name: CallerName, authorities: Authorities): Promise<TestSvid | null> {
  const credentials: Credentials | null = callers[name]
  if (credentials === null) return null
  const { signer, spiffeId, ...options } = credentials
  return authorities[signer].issue(spiffeId, { ttlSeconds: day, ...options })
}

interface Credentials extends IssueOptions {
  readonly signer: keyof Authorities
  readonly spiffeId: string
}

const day = 86_400
