import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAuthority } from '@countersign/testkit'
import { VerdictCache } from '../../packages/core/src/connection/verdict-cache.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { authority, bundlesOf, callerId } from '../svid/claims.ts'

const partner = await createAuthority('partner.example')
const trust = createSvidTrust(bundlesOf(authority, partner))

/** This cache's verdict on a chain. */
function present(cache: VerdictCache, [leafDer = Buffer.alloc(0), ...above]: readonly Buffer[]): string {
  const readChain = (): readonly Buffer[] => [leafDer, ...above]
  const verdict = cache.verify({ leafDer, readChain, trust, additional: [], now: Date.now() })
  return verdict.ok ? 'ok' : verdict.reason
}

test('completes our own chains however many intermediates of another trust domain share the name', async () => {
  const cache = new VerdictCache()
  const alike = { subject: { CN: 'one name' }, keyIdentifiers: false }
  for (let count = 0; count < 20; count += 1) {
    const theirs = await (await partner.intermediate(alike)).issue('spiffe://partner.example/x', alike)
    assert.equal(present(cache, theirs.certificates), 'ok')
  }
  const ours = await authority.intermediate(alike)
  assert.equal(present(cache, (await ours.issue(callerId, alike)).certificates), 'ok')
  assert.equal(present(cache, (await ours.issue(callerId, alike)).certificates.slice(0, 1)), 'ok')
})
