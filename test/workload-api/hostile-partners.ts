import { type Authority, createAuthority } from '@countersign/testkit'
import { issueMany } from '../trust/many-authorities.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'

/*
 * Partners that publish what would break a service that trusts them too much.
 */

/** Our own root, and the intermediate that issues. */
const root: Authority = await createAuthority('saas.example')
export const issuer: Authority = await root.intermediate()

/** An honest partner. */
export const friend: Authority = await createAuthority('friend.example')

/** A hostile partner. */
export interface Partner {
  readonly trustDomain: string
  /** What it publishes: concatenated DER, or the replacement. */
  readonly bundle: Buffer
  /** The code of the one event that reports it; none if its bundle is valid. */
  readonly code?: string
  /** The issuer of its callers, if they are accepted. */
  readonly authority?: Authority
}

/** A root of another trust domain with the name and key identifier of this certificate, which are public. */
async function createNamesake(trustDomain: string, { certificateDer }: Authority): Promise<Authority> {
  const { subject, subjectKeyId = '' } = decodeCertificate(certificateDer)
  const [name = ''] = subject.commonNames
  const value = Buffer.concat([Buffer.of(0x04, subjectKeyId.length / 2), Buffer.from(subjectKeyId, 'hex')])
  return createAuthority(trustDomain, { name, keyIdentifiers: false, extensions: [{ oid: '2.5.29.14', value }] })
}

const weak = await createAuthority('weak.example', { faults: ['weak_key'] })
const notCa = await createAuthority('not-ca.example', { faults: ['not_a_ca'] })
const rootNamesake = await createNamesake('root-namesake.example', root)
const issuerNamesake = await createNamesake('issuer-namesake.example', issuer)

/** Seven at once. */
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
  { trustDomain: 'root-namesake.example', bundle: rootNamesake.certificateDer, authority: rootNamesake },
  { trustDomain: 'issuer-namesake.example', bundle: issuerNamesake.certificateDer, authority: issuerNamesake },
]

/** All trust domains that our services accept. */
export const trustDomains: readonly string[] = [
  'saas.example',
  'friend.example',
  ...partners.map(({ trustDomain }) => trustDomain),
]
