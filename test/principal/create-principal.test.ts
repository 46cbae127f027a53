import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAccount } from '@countersign/authorization'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { ConfigurationError } from '../../packages/spiffe/src/errors.ts'
import {
  createHypotheticalPrincipal,
  createPrincipal,
  type PrincipalPolicy,
  type VerifiedPeer,
} from '../../packages/core/src/principal/create-principal.ts'
import type { Principal } from '../../packages/core/src/principal/principal.ts'
import { SpiffeId } from '../../packages/spiffe/src/spiffe-id/spiffe-id.ts'
import { verifySvid } from '../../packages/spiffe/src/svid/verify-svid.ts'
import type { X509Svid } from '../../packages/spiffe/src/svid/x509-svid.ts'
import { X509Bundle } from '../../packages/spiffe/src/trust/bundle.ts'

const local = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const bundles = new Map(
  [local, partner].map(({ trustDomain, bundlePem }) => [trustDomain, X509Bundle.parse(trustDomain, bundlePem)]),
)
const policy: PrincipalPolicy = { localTrustDomain: 'saas.example', namespaces: new Set(['production']) }

function prove({ certificates }: TestSvid): X509Svid {
  const verdict = verifySvid({ chain: certificates, bundles, now: Date.now() })
  assert.ok(verdict.ok)
  return verdict.svid
}

async function createFrom(spiffeId: string, changed: Partial<PrincipalPolicy> = {}): Promise<Principal> {
  const authority = spiffeId.startsWith('spiffe://partner.example/') ? partner : local
  return createPrincipal(prove(await authority.issue(spiffeId)), { ...policy, ...changed })
}

test("has the peer's identity and expiry", async () => {
  const svid = await local.issue('spiffe://saas.example/ns/production/sa/core-api')
  const principal = createPrincipal(prove(svid), policy)
  const { name, spiffeId, trustDomain, namespace, serviceAccount, credential, expiresAt } = principal
  assert.deepEqual(
    { name, spiffeId: spiffeId?.toString(), trustDomain, namespace, serviceAccount, credential, expiresAt },
    {
      name: 'spiffe://saas.example/ns/production/sa/core-api',
      spiffeId: 'spiffe://saas.example/ns/production/sa/core-api',
      trustDomain: 'saas.example',
      namespace: 'production',
      serviceAccount: 'core-api',
      credential: 'x509-svid',
      expiresAt: svid.expiresAt + 1000,
    },
  )
})

test('has the lifetime of its certificate, and none without a certificate', async () => {
  const svid = prove(await local.issue('spiffe://saas.example/x'))
  const { notBefore, notAfter } = svid.leaf
  assert.equal(createPrincipal(svid, policy).lifetime, notAfter - notBefore)
  const { spiffeId, expiresAt } = svid
  assert.equal(createPrincipal({ spiffeId, credential: 'jwt-svid', expiresAt }, policy).lifetime, undefined)
})

test('derives the authorities of namespace and service account, and the short one for a listed namespace', async () => {
  const principal = await createFrom('spiffe://saas.example/ns/production/sa/core-api')
  assert.deepEqual(principal.authorities, ['NAMESPACE_production', 'SERVICE_production/core-api', 'SERVICE_core-api'])
})

test('derives no short authority for an unlisted namespace', async () => {
  const principal = await createFrom('spiffe://saas.example/ns/staging/sa/core-api')
  assert.deepEqual(principal.authorities, ['NAMESPACE_staging', 'SERVICE_staging/core-api'])
  const none = await createFrom('spiffe://saas.example/ns/production/sa/core-api', { namespaces: new Set() })
  assert.equal(none.hasAuthority('SERVICE_core-api'), false)
})

test('derives nothing for a workload of another trust domain, which keeps its namespace and service account', async () => {
  const principal = await createFrom('spiffe://partner.example/ns/production/sa/core-api')
  assert.deepEqual(principal.authorities, [])
  assert.deepEqual([principal.namespace, principal.serviceAccount], ['production', 'core-api'])
  assert.equal(principal.trustDomain, 'partner.example')
})

test('reads namespace and service account only from a path of exactly /ns/…/sa/…', async () => {
  const paths = [
    '/ns/production',
    '/ns/production/sa',
    '/ns/production/sa/core-api/pod',
    '/NS/production/sa/core-api',
    '/ns/production/SA/core-api',
    '/x/ns/production/sa/core-api',
    '/sa/core-api/ns/production',
    '/core-api',
  ]
  for (const path of paths) {
    const principal = await createFrom(`spiffe://saas.example${path}`)
    assert.deepEqual(principal.authorities, [], path)
    assert.deepEqual([principal.namespace, principal.serviceAccount], [undefined, undefined], path)
  }
  assert.deepEqual(readAccount(SpiffeId.parse('spiffe://saas.example')), {})
})

test("adds the application's authorities to the derived ones, without duplicates", async () => {
  const principal = await createFrom('spiffe://saas.example/ns/production/sa/core-api', {
    authorities: () => ['billing.read', 'SERVICE_core-api', 'billing.read'],
  })
  assert.deepEqual(principal.authorities.slice(2), ['SERVICE_core-api', 'billing.read'])
  assert.equal(principal.hasAuthority('billing.read'), true)
})

test("adds the application's authorities to a workload of another trust domain", async () => {
  const principal = await createFrom('spiffe://partner.example/billing', { authorities: () => ['billing.read'] })
  assert.deepEqual(principal.authorities, ['billing.read'])
})

test('passes the application the facts about the verified peer, read-only', async () => {
  const told: VerifiedPeer[] = []
  const svid = await local.issue('spiffe://saas.example/ns/staging/sa/core-api')
  const authorities = (peer: VerifiedPeer) => {
    told.push(peer)
    return Reflect.set(peer, 'trustDomain', 'partner.example') ? ['changed'] : []
  }
  const principal = createPrincipal(prove(svid), { ...policy, authorities })
  assert.equal(principal.hasAuthority('changed'), false)
  assert.deepEqual(
    told.map(({ spiffeId, ...rest }) => ({ spiffeId: spiffeId.toString(), ...rest })),
    [
      {
        spiffeId: svid.spiffeId,
        trustDomain: 'saas.example',
        namespace: 'staging',
        serviceAccount: 'core-api',
        credential: 'x509-svid',
        serialNumber: svid.serialNumber,
        expiresAt: svid.expiresAt + 1000,
      },
    ],
  )
})

test('rejects anything but a list of non-empty strings from the application', async () => {
  const proof = prove(await local.issue('spiffe://saas.example/x'))
  const wrong: readonly unknown[] = [
    undefined,
    null,
    'admin',
    [7],
    [''],
    ['a', undefined],
    {},
    new Set(['a']),
    Promise.resolve(['a']),
  ]
  for (const given of wrong) {
    const changed = { ...policy, authorities: () => given }
    assert.throws(
      () => Reflect.apply(createPrincipal, undefined, [proof, changed]),
      (error) => error instanceof ConfigurationError && error.code === 'option_invalid',
      String(given),
    )
  }
})

test('rethrows errors of the application', async () => {
  const thrown = new RangeError('no database')
  const authorities = () => {
    throw thrown
  }
  await assert.rejects(createFrom('spiffe://saas.example/x', { authorities }), thrown)
})

test('is not affected when the application changes its list afterwards', async () => {
  const list = ['billing.read']
  const principal = await createFrom('spiffe://saas.example/x', { authorities: () => list })
  list.push('admin')
  assert.equal(principal.hasAuthority('admin'), false)
  assert.deepEqual(principal.authorities, ['billing.read'])
})

test('gives the explanation of a SPIFFE ID the same authorities as the verified workload', async () => {
  for (const text of [
    'spiffe://saas.example/ns/production/sa/core-api',
    'spiffe://partner.example/ns/production/sa/a',
  ]) {
    const changed = { ...policy, authorities: ({ trustDomain }: VerifiedPeer) => [`FROM_${trustDomain}`] }
    const hypothetical = createHypotheticalPrincipal(SpiffeId.parse(text), changed)
    const { authorities } = await createFrom(text, changed)
    assert.deepEqual(hypothetical.authorities, authorities)
  }
})
