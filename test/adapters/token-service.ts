import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { JwtBundle, type JwtBundles, type JwtBundleSource } from '@countersign/spiffe/jwt'
import { craft, createSigner, type Members, type Signer, toDocument } from '../jwt/tokens.ts'
import { idOf } from './credential-service.ts'
import { waitUntil } from '../support/wait-until.ts'

/** The JWT authorities of the trust domain of these tests. */
export const signer: Signer = createSigner('first')
export const nextSigner: Signer = createSigner('second')

/** A token for this service that expires in five minutes, unless claims or header differ. */
export function issueToken(name: string, claims: Members = {}, header: Members = {}, by: Signer = signer): string {
  const seconds = Math.floor(Date.now() / 1000)
  const all = { sub: idOf(name), aud: ['billing'], exp: seconds + 300, iat: seconds, ...claims }
  return craft({ alg: 'ES256', kid: by.jwk.kid, typ: 'JWT', ...header }, all, by.privateKey)
}

export function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** A source whose bundles a test replaces. */
export interface ReplaceableBundles extends JwtBundleSource {
  /** Replaces the bundle of one trust domain by one of these signers. Others keep their bundle. */
  replace(trustDomain: string, ...signers: readonly Signer[]): void
}

/** Starts with the first signer. */
export function createBundles(): ReplaceableBundles {
  const parse = (name: string, signers: readonly Signer[]): JwtBundle => JwtBundle.parse(name, toDocument(...signers))
  let current: JwtBundles = new Map([['saas.example', parse('saas.example', [signer])]])
  const listeners = new Set<() => void>()
  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    replace: (trustDomain, ...signers) => {
      current = new Map([...current, [trustDomain, parse(trustDomain, signers)]])
      for (const listener of listeners) listener()
    },
  }
}

/** Signature checks that wait until they are released. */
export interface HeldSignatures {
  /** Waits until this many checks have begun. */
  readonly reached: (count: number) => Promise<void>
  readonly release: () => void
}

/** Makes Node wait with every check of a signature. What it then returns is not changed. */
export function holdSignatures(context: TestContext): HeldSignatures {
  const { subtle } = globalThis.crypto
  const verify = subtle.verify.bind(subtle)
  const begun: unknown[] = []
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  context.mock.method(subtle, 'verify', async (...given: Parameters<typeof verify>) => {
    begun.push(given)
    await released
    return verify(...given)
  })
  const reached = async (count: number): Promise<void> => {
    await waitUntil(() => begun.length >= count)
    assert.equal(begun.length, count)
  }
  return { reached, release: () => release() }
}
