import { type Authority, createAuthority } from '@countersign/testkit'
import { issueMany } from '../trust/many-authorities.ts'

/*
 * Partners that publish what would break a service that trusts them too much.
 */

/** Our own root, and the intermediate that issues. */
const root: Authority = await createAuthority('saas.example')
export const issuer: Authority = await root.intermediate()

/** A partner of good will. */
export const friend: Authority = await createAuthority('friend.example')

/** A hostile partner. */
export interface Partner {
  readonly trustDomain: string
  /** What it publishes: concatenated DER, or what is there in its place. */
  readonly bundle: Buffer
  /** The code of the one event that reports it; none where its bundle is good. */
  readonly code?: string
  /** What issues its callers, where they are let in. */
  readonly authority?: Authority
}

const weak = await createAuthority('weak.example', { faults: ['weak_key'] })
const notCa = await createAuthority('not-ca.example', { faults: ['not_a_ca'] })

/** All at once. */
export const partners: readonly Partner[] = [
  { trustDomain: 'empty.example', bundle: Buffer.alloc(0), code: 'bundle_empty' },
  {
    trustDomain: 'unreadable.example',
    bundle: friend.certificateDer.subarray(0, -20),
    code: 'certificate_malformed',
  },
  {
    trustDomain: 'many.example',
    bundle: Buffer.concat(issueMany(300)),
    code: 'bundle_too_large',
  },
  { trustDomain: 'weak.example', bundle: weak.certificateDer, code: 'authority_unusable' },
  { trustDomain: 'not-ca.example', bundle: notCa.certificateDer, code: 'authority_unusable' },
]

/** All trust domains that a service of ours lets in. */
export const trustDomains: readonly string[] = [
  'saas.example',
  'friend.example',
  ...partners.map(({ trustDomain }) => trustDomain),
]
