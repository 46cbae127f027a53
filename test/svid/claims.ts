import { type Authority, createAuthority, type IssueOptions } from '@countersign/testkit'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { type SvidClaim, type SvidVerdict, verifySvid } from '../../packages/spiffe/src/svid/verify-svid.ts'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'

/*
 * Chains of the testkit under bundles made of its authorities, for the tests of SVIDs.
 */

export const callerId = 'spiffe://saas.example/ns/production/sa/core-api'

/** The authority of saas.example, one per test process. */
export const authority: Authority = await createAuthority('saas.example')

/** A bundle of each authority's trust domain; several authorities of one trust domain share a bundle. */
export function bundlesOf(...authorities: readonly Authority[]): ReadonlyMap<string, X509Bundle> {
  const texts = new Map<string, string>()
  for (const { trustDomain, bundlePem } of authorities) {
    texts.set(trustDomain, `${texts.get(trustDomain) ?? ''}${bundlePem}`)
  }
  return new Map([...texts].map(([trustDomain, text]) => [trustDomain, X509Bundle.parse(trustDomain, text)]))
}

/** The verdict on a chain that this authority supports, unless the claim is changed. */
export function verify(chain: readonly Uint8Array[], changed: Partial<SvidClaim> = {}): SvidVerdict {
  return verifySvid({ chain, bundles: bundlesOf(authority), now: Date.now(), ...changed })
}

/** The verdict on an SVID with these properties. */
export async function verifyIssued(options: IssueOptions = {}, by: Authority = authority): Promise<string> {
  const { certificates } = await by.issue(callerId, options)
  return reasonOf(verify(certificates, { bundles: bundlesOf(by) }))
}

export function reasonOf(verdict: SvidVerdict): string {
  return verdict.ok ? 'ok' : verdict.reason
}

export function decodeAll(chain: readonly Uint8Array[]): readonly Certificate[] {
  return chain.map((der) => decodeCertificate(der))
}
