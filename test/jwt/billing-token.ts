import { JwtBundle, type JwtBundles, type JwtVerdict, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { createSigner, encode, type Members, signText, toDocument } from './tokens.ts'

/** A valid token, the bundle that verifies it, and how tests verify others. */

export const now = 1_800_000_000_000
export const seconds: number = now / 1000
export const id = 'spiffe://saas.example/ns/production/sa/core-api'
export const signer = createSigner('first')
export const bundles = mapOf(JwtBundle.parse('saas.example', toDocument(signer, createSigner('second'))))
export const header = { alg: 'ES256', kid: 'first', typ: 'JWT' }
export const claims = {
  sub: id,
  aud: ['billing', 'ledger'],
  exp: seconds + 300,
  iat: seconds - 10,
  nbf: seconds - 10,
}

/** Verifies a token for the audience `billing`. */
export function verify(token: string, changes: Partial<Parameters<typeof verifyJwtSvid>[1]> = {}): Promise<JwtVerdict> {
  return verifyJwtSvid(token, { bundles, audiences: ['billing'], now, ...changes })
}

/** Signs a header and claims that need not be JSON. */
export function signParts(head: Members | string, payload: string): string {
  const input = `${encode(head)}.${encode(payload)}`
  return `${input}.${signText(input, signer.privateKey, 'ES256')}`
}

export function mapOf(...all: readonly JwtBundle[]): JwtBundles {
  return new Map(all.map((bundle) => [bundle.trustDomain, bundle]))
}

export function reasonOf(verdict: JwtVerdict): string {
  return verdict.ok ? 'ok' : verdict.reason
}
