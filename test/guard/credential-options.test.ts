import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGuard, type GuardOptions, permitAll } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { createBundles } from '../adapters/token-service.ts'

const authority = await createAuthority('saas.example')
const own = 'spiffe://saas.example/ns/production/sa/billing'
const source = await authority.source(own)
const bundles = createBundles()

const proxy = { id: 'spiffe://saas.example/ns/edge/sa/proxy', forwards: ['spiffe://saas.example/ns/production/**'] }
const listed = { proxies: [proxy], format: 'client-cert' }
const anyPeer = { dangerouslyTrustAnyPeer: true, format: 'xfcc' }
const jwtSvid = { audiences: ['billing'], bundles }

const accepted: readonly unknown[] = [
  undefined,
  {},
  { forwarded: listed },
  { forwarded: { ...listed, proxies: [{ ...proxy, tokens: true }] }, jwtSvid },
  { forwarded: anyPeer },
  { jwtSvid },
  { jwtSvid: { ...jwtSvid, withoutCertificate: true } },
]

const refused: readonly (readonly [what: string, credentials: unknown])[] = [
  ['an unknown option', { forward: listed }],
  ['no proxy', { forwarded: { ...listed, proxies: [] } }],
  ['proxies that are not a list', { forwarded: { ...listed, proxies: proxy } }],
  ['a proxy without an id', { forwarded: { ...listed, proxies: [{ forwards: proxy.forwards }] } }],
  [
    'a proxy with a pattern',
    { forwarded: { ...listed, proxies: [{ ...proxy, id: 'spiffe://saas.example/ns/edge/*' }] } },
  ],
  ['a proxy without a path', { forwarded: { ...listed, proxies: [{ ...proxy, id: 'spiffe://saas.example' }] } }],
  ['this service as a proxy', { forwarded: { ...listed, proxies: [{ ...proxy, id: own }] } }],
  ['a proxy twice', { forwarded: { ...listed, proxies: [proxy, proxy] } }],
  [
    'a proxy of a trust domain that is not accepted',
    { forwarded: { ...listed, proxies: [{ ...proxy, id: 'spiffe://partner.example/proxy' }] } },
  ],
  ['a proxy without forwards', { forwarded: { ...listed, proxies: [{ id: proxy.id }] } }],
  ['an empty forwards', { forwarded: { ...listed, proxies: [{ ...proxy, forwards: [] }] } }],
  ['tokens that are not true', { forwarded: { ...listed, proxies: [{ ...proxy, tokens: 'yes' }] } }],
  ['a format of proxies without an SVID', { forwarded: { ...listed, format: 'aws-alb' } }],
  ['no format', { forwarded: { proxies: [proxy] } }],
  ['both kinds of proxies', { forwarded: { ...listed, dangerouslyTrustAnyPeer: true } }],
  ['an option that is not true', { forwarded: { ...anyPeer, dangerouslyTrustAnyPeer: 'yes' } }],
  ['an option that is false', { forwarded: { ...anyPeer, dangerouslyTrustAnyPeer: false } }],
  ['intermediates that are not PEM', { forwarded: { ...listed, intermediates: 'text' } }],
  ['tokens beside any peer', { forwarded: anyPeer, jwtSvid }],
  ['no audience', { jwtSvid: { bundles, audiences: [] } }],
  ['an audience that is not text', { jwtSvid: { bundles, audiences: [1] } }],
  ['no bundles', { jwtSvid: { audiences: ['billing'] } }],
  ['bundles that are not a source', { jwtSvid: { ...jwtSvid, bundles: {} } }],
  ['withoutCertificate that is not true', { jwtSvid: { ...jwtSvid, withoutCertificate: 'yes' } }],
]

for (const [index, credentials] of accepted.entries()) {
  test(`accepts the credentials ${index}`, () => {
    create(credentials)
  })
}

for (const [what, credentials] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(() => create(credentials), { name: 'ConfigurationError' })
  })
}

function create(credentials: unknown): void {
  const options: Omit<GuardOptions, 'credentials'> = {
    source,
    rules: [{ path: '/**', allow: permitAll() }],
    log: () => undefined,
  }
  Reflect.apply(createGuard, undefined, [{ ...options, ...(credentials !== undefined && { credentials }) }])
}
