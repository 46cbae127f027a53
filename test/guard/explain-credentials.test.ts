import assert from 'node:assert/strict'
import test from 'node:test'
import {
  allOf,
  anonymous,
  anyOf,
  ConfigurationError,
  createGuard,
  type ExplainQuestion,
  type Explanation,
  type GuardOptions,
  hasAuthority,
  provenBy,
} from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const proxy = 'spiffe://saas.example/ns/edge/sa/proxy'
const authority = await createAuthority('saas.example')
const source = await authority.source(idOf('billing'))
const bundles = { current: () => new Map(), onChange: () => () => undefined }
const options: Partial<GuardOptions> = {
  credentials: {
    forwarded: {
      proxies: [{ id: proxy, forwards: ['spiffe://saas.example/ns/production/sa/*'], tokens: true }],
      format: 'client-cert',
    },
    jwtSvid: { audiences: ['billing'], bundles },
  },
}
const open: Partial<GuardOptions> = { permissive: { until: new Date(Date.now() + 3_600_000).toISOString() } }

test('explains a caller behind a listed proxy', () => {
  const explanation = explain({ caller: idOf('orders'), proxy })
  assert.equal(explanation.decision.effect, 'allow')
  assert.match(
    String(explanation),
    /the listed proxy spiffe:\/\/saas\.example\/ns\/edge\/sa\/proxy forwards the caller/,
  )
})

test('explains a caller that the proxy may not forward', () => {
  for (const caller of ['spiffe://saas.example/ns/other/sa/orders', idOf('billing'), proxy]) {
    const { decision, layers } = explain({ caller, proxy })
    assert.equal(decision.effect === 'deny' && decision.reason, 'forwarding_not_allowed', caller)
    assert.deepEqual(
      layers.map(({ outcome }) => outcome),
      ['pass', 'deny', 'skipped', 'skipped'],
    )
  }
})

test('explains that a proxy without a caller is anonymous, and never itself', () => {
  const strict = explain({ caller: null, proxy }).decision
  assert.deepEqual(strict.effect === 'deny' && [strict.status, strict.reason], [401, 'unauthenticated'])
  const permissive = explain({ caller: null, proxy, path: '/open' }, { ...options, ...open })
  assert.equal(permissive.decision.effect, 'allow')
})

test('explains that what an unlisted peer forwards does not count', () => {
  const explanation = explain({ caller: idOf('orders'), proxy: idOf('mailer') })
  assert.equal(explanation.decision.effect, 'deny')
  assert.match(String(explanation), /mailer is not a listed proxy, so the request is its own/)
})

test('explains a token by the rules that name it, and by the entry of the proxy', () => {
  const credential = 'jwt-svid'
  const unnamed = explain({ caller: idOf('orders'), credential }).decision
  assert.equal(unnamed.effect === 'deny' && unnamed.reason, 'credential_not_accepted')
  assert.equal(explain({ caller: idOf('orders'), credential, path: '/tokens' }).decision.effect, 'allow')
  assert.equal(explain({ caller: idOf('orders'), credential, proxy, path: '/tokens' }).decision.effect, 'allow')
  const without = explain(
    { caller: idOf('orders'), credential, proxy, path: '/tokens' },
    {
      credentials: { forwarded: { proxies: [{ id: proxy, forwards: [idOf('*')] }], format: 'client-cert' } },
    },
    [],
  )
  assert.equal(without.decision.effect === 'deny' && without.decision.reason, 'forwarding_not_allowed')
})

test('explains an anonymous caller while permissive mode lasts', () => {
  const denied = explain({ caller: null }, open).decision
  assert.deepEqual(denied.effect === 'deny' && [denied.status, denied.challenge], [401, 'ClientCertificate'])
  assert.equal(explain({ caller: null, path: '/open' }, open).decision.effect, 'allow')
  const strict = explain({ caller: null, path: '/open' }, {}).decision
  assert.equal(strict.effect === 'deny' && strict.status, 403)
})

test('refuses a credential or a proxy that is not one', () => {
  for (const wrong of [{ credential: 'x509' }, { proxy: 7 }]) {
    const question: unknown = { caller: idOf('orders'), method: 'GET', path: '/', ...wrong }
    const guard = createGuard({ source })
    assert.throws(() => Reflect.apply(Reflect.get(guard, 'explain'), guard, [question]), ConfigurationError)
  }
})

function explain(
  question: Partial<ExplainQuestion>,
  of: Partial<GuardOptions> = options,
  tokens: GuardOptions['rules'] = [
    { path: '/tokens', allow: allOf(provenBy('x509-svid', 'jwt-svid'), hasAuthority('SERVICE_orders')) },
  ],
): Explanation {
  const rules = [
    ...(of.credentials?.jwtSvid === undefined ? [] : (tokens ?? [])),
    { path: '/open', allow: anyOf(anonymous(), hasAuthority('SERVICE_orders')) },
    { path: '/**', allow: hasAuthority('SERVICE_orders') },
  ]
  const guard = createGuard({ source, rules, log: () => undefined, ...of })
  return guard.explain({ caller: null, method: 'GET', path: '/', ...question })
}
