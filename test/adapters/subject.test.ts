import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { allow, countersign as countersignExpress, createServer } from '@countersign/express'
import countersign from '@countersign/fastify'
import {
  authenticated,
  type AuthenticationEvent,
  ConfigurationError,
  createGuard,
  denyAll,
  dnsName,
  type Guard,
  type GuardOptions,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
} from '@countersign/core'
import { type Running, serve, type TestSvid } from '@countersign/testkit'
import express from 'express'
import Fastify from 'fastify'
import { ca, createCa, identity, issueNamed, openFiles } from '../subject/ca-files.ts'
import { withLife } from '../support/with-life.ts'
import { readJson, reasonsOf, sendBehindHandshake, type Service, start, type Variant, variants } from './frameworks.ts'
import { refusal } from './refusal.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'

/** The service of the article on Spring Security, which identifies its four callers by common name. */

const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/internal/billing/**', allow: hasAuthority('SERVICE_CORE_API') },
  { path: '/internal/analytics/**', allow: hasAnyAuthority('SERVICE_CORE_API', 'SERVICE_ANALYTICS') },
  { path: '/internal/**', allow: authenticated() },
  { path: '/**', allow: denyAll() },
]
const paths = ['/internal/billing/invoices', '/internal/analytics/data', '/internal/health', '/public'] as const

const files = await openFiles()
after(() => files[Symbol.asyncDispose]())

/** Starts the service; every route responds with its principal. */
function startArticle(variant: Variant, options: Partial<GuardOptions> = {}): Promise<Service> {
  const { framework, http2 } = variant
  const listen = framework === 'Express' ? listenExpress : http2 ? listenFastify2 : listenFastify
  return start(variant, { source: files.source, identity, rules, ...options }, listen)
}

async function listenFastify(guard: Guard, handled: string[]): Promise<Running> {
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  for (const path of paths) {
    app.get(path, ({ url, principal }) => {
      handled.push(url)
      return principal
    })
  }
  return serve(guard, app)
}

async function listenFastify2(guard: Guard, handled: string[]): Promise<Running> {
  const app = Fastify({ http2: true, https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  for (const path of paths) {
    app.get(path, ({ url, principal }) => {
      handled.push(url)
      return principal
    })
  }
  return serve(guard, app)
}

function listenExpress(guard: Guard, handled: string[]): Promise<Running> {
  const app = express()
  app.use(countersignExpress(guard))
  for (const path of paths) {
    app.get(path, ({ url, principal }, response) => {
      handled.push(url)
      response.json(principal)
    })
  }
  return serve(guard, app)
}

/** The status on each path, or `ended`. */
async function callAll(service: Service, svid: TestSvid | null): Promise<readonly (number | 'ended')[]> {
  const peer = service.as(svid)
  const answers: (number | 'ended')[] = []
  for (const path of paths)
    answers.push(
      await peer.fetch(path).then(
        ({ status }) => status,
        () => 'ended',
      ),
    )
  return answers
}

const allEnded = paths.map(() => 'ended')

function refusalsOf({ events }: Service): readonly AuthenticationEvent[] {
  return events.flatMap((event) => (event.type === 'authentication' && event.outcome === 'refused' ? [event] : []))
}

describe('the service map of the article', () => {
  for (const variant of variants) {
    test(`allows each service the paths that its authorities allow (${variant.name})`, async () => {
      await using service = await startArticle(variant)
      for (const [name, ...expected] of [
        ['core-api', 200, 200, 200, 403],
        ['billing-service', 403, 403, 200, 403],
        ['notification-service', 403, 403, 200, 403],
        ['analytics-service', 403, 200, 200, 403],
      ] as const) {
        assert.deepEqual(await callAll(service, await issueNamed(name)), expected, name)
      }
      assert.equal(service.handled.length, 7)
      assert.deepEqual(refusalsOf(service), [])
    })

    test(`closes the connection of every other caller before any handler runs (${variant.name})`, async () => {
      await using service = await startArticle(variant)
      const others = {
        unknown: await issueNamed('intruder'),
        case: await issueNamed('Core-API'),
        two: await ca.issue('spiffe://internal.example/x', { uris: [], subject: { CN: ['core-api', 'intruder'] } }),
        spiffe: await issueNamed('core-api', { uris: ['spiffe://internal.example/ns/production/sa/other'] }),
        none: await issueNamed('', { subject: { O: 'Example' } }),
      }
      for (const [what, svid] of Object.entries(others)) {
        assert.deepEqual(await callAll(service, svid), allEnded, what)
        assert.equal(await sendBehindHandshake(service, variant, svid), '', what)
      }
      const reasons = new Set(reasonsOf(service).filter((reason) => reason !== 'identity_invalid'))
      assert.deepEqual([...reasons], ['name_unknown', 'several_common_names', 'spiffe_id_present', 'no_common_name'])
      assert.equal(refusalsOf(service)[0]?.subject, 'intruder')
      assert.deepEqual(await callAll(service, null), allEnded)
      assert.deepEqual(await callAll(service, await issueNamed('core-api', {}, await createCa('Example CA'))), allEnded)
      if (isOpensslAsked) assert.ok(!service.authorized.includes(false))
      assert.deepEqual(service.handled, [])
      assert.deepEqual(await callAll(service, await issueNamed('core-api')), [200, 200, 200, 403])
    })

    test(`passes the handler a principal with the common name and no SPIFFE properties (${variant.name})`, async () => {
      await using service = await startArticle(variant)
      const svid = await issueNamed('analytics-service')
      assert.deepEqual(await readJson(await service.as(svid).fetch('/internal/health')), {
        name: 'analytics-service',
        authorities: ['SERVICE_ANALYTICS'],
        credential: 'x509-subject',
        expiresAt: svid.expiresAt + 1000,
      })
    })

    test(`logs a denial with the common name and does not reveal it to the caller (${variant.name})`, async () => {
      await using service = await startArticle(variant)
      const response = await service.as(await issueNamed('analytics-service')).fetch('/internal/billing/invoices')
      const [denial] = service.events.filter((event) => event.type === 'denial')
      assert.ok(denial !== undefined)
      const { principal, reason, missing, rule, id } = denial
      assert.deepEqual(
        { principal, reason, missing, rule },
        { principal: 'analytics-service', reason: 'authority_missing', missing: ['SERVICE_CORE_API'], rule: 0 },
      )
      const body = await response.text()
      assert.ok(body.includes(id))
      assert.doesNotMatch(body, /analytics|CORE_API/)
    })
  }
})

const perFramework = variants.filter(({ tlsVersion }) => tlsVersion === 'TLSv1.3')

describe('during the life of a connection', () => {
  for (const variant of perFramework) {
    test(`a connection closes when the certificate expires (${variant.name})`, () =>
      withLife(2, async (life) => {
        await using service = await startArticle(variant)
        const svid = await issueNamed('core-api', { ttlSeconds: life.seconds })
        const peer = service.as(svid)
        assert.equal((await peer.fetch('/internal/health')).status, 200)
        const idle = await peer.connect({ minVersion: 'TLSv1.3', ...(variant.http2 && { ALPNProtocols: ['h2'] }) })
        life.begun()
        // Not `once`, because it may fail. On HTTP/2 it closes early, and a new connection is still accepted.
        await new Promise((resolve) => idle.resume().on('close', resolve))
        await delay(Math.max(0, svid.expiresAt + 1000 - Date.now()))
        await assert.rejects(peer.fetch('/internal/health'))
        assert.ok(['identity_expired', 'expired'].includes(reasonsOf(service)[0] ?? ''))
        assert.equal(service.handled.length, 1)
      }))

    test(`a rotation of the CA accepts callers of both CAs, then disconnects those of the old one (${variant.name})`, async () => {
      await using own = await openFiles()
      await using service = await startArticle(variant, { source: own.source })
      const next = await createCa('Example CA 2')
      const peer = service.as(await issueNamed('core-api'))
      assert.equal((await peer.fetch('/internal/health')).status, 200)

      await own.replace('ca', `${ca.bundlePem}${next.bundlePem}`)
      const nextPeer = service.as(await issueNamed('core-api', {}, next))
      assert.equal((await peer.fetch('/internal/billing/invoices')).status, 200)
      assert.equal((await nextPeer.fetch('/internal/billing/invoices')).status, 200)

      await own.replace('cert', (await issueNamed('billing-service', { key: own.own.key }, next)).certificatePem)
      assert.equal((await peer.fetch('/internal/health')).status, 200)
      assert.equal((await nextPeer.fetch('/internal/health')).status, 200)
      assert.equal(service.authorized.length, 2)

      await own.replace('ca', next.bundlePem)
      await assert.rejects(peer.fetch('/internal/health'))
      assert.equal((await nextPeer.fetch('/internal/health')).status, 200)
      assert.equal(service.handled.length, 6)
      assert.ok(reasonsOf(service).includes('unknown_authority'))
    })
  }
})

test('identifies a caller by its DNS name if the guard is configured to', async () => {
  const hosts = { 'order-service.prod.internal': ['SERVICE_CORE_API'], 'billing.prod.internal': ['SERVICE_ANALYTICS'] }
  const byDnsName = dnsName({ authorities: hosts })
  for (const variant of perFramework) {
    await using service = await startArticle(variant, { identity: byDnsName })
    const named = await issueNamed('anybody', { dnsNames: ['Order-Service.prod.internal'] })
    const { name, authorities } = await readJson(await service.as(named).fetch('/internal/billing/invoices'))
    assert.deepEqual({ name, authorities }, { name: 'order-service.prod.internal', authorities: ['SERVICE_CORE_API'] })
    const twice = await issueNamed('x', { dnsNames: ['order-service.prod.internal', 'billing.prod.internal'] })
    assert.deepEqual(await callAll(service, twice), allEnded)
    assert.deepEqual(await callAll(service, await issueNamed('order-service.prod.internal')), allEnded)
    assert.deepEqual(new Set(reasonsOf(service)), new Set(['several_dns_names', 'no_dns_name']))
  }
})

test('a Fastify route that requires SPIFFE IDs does not start', async () => {
  const guard = createGuard({ source: files.source, identity, rules })
  for (const demand of [['spiffe://internal.example/x'], inNamespace('production')]) {
    const app = Fastify({ https: guard.tlsOptions() })
    await app.register(countersign, { guard })
    assert.throws(
      () => app.get('/internal/health', { config: { allow: demand } }, () => 'x'),
      refusal('rule_invalid', /CA without SPIFFE/),
    )
  }
})

test('an Express route that requires SPIFFE IDs does not start, and denies every caller if it was not checked', async () => {
  const handled: string[] = []
  const createApp = (guard: Guard): express.Express => {
    const app = express()
    app.use(countersignExpress(guard))
    app.get('/internal/health', allow(inNamespace('production')), ({ url }, response) => {
      handled.push(url)
      response.end()
    })
    return app
  }
  const guard = createGuard({ source: files.source, identity, rules })
  const server = createServer(guard, createApp(guard)).listen(0, '127.0.0.1')
  const emitted: readonly unknown[] = await once(server, 'error')
  const error = emitted[0]
  assert.ok(error instanceof ConfigurationError)
  assert.equal(error.code, 'rule_invalid')

  const [variant] = variants
  assert.ok(variant !== undefined)
  const listen = (own: Guard): Promise<Running> => serve(own, createApp(own))
  await using service = await start(variant, { source: files.source, identity, rules }, listen)
  const response = await service.as(await issueNamed('core-api')).fetch('/internal/health')
  assert.equal(response.status, 503)
  assert.doesNotMatch(await response.text(), /SPIFFE|inNamespace/)
  assert.deepEqual(handled, [])
})

describe('explain', () => {
  const guard = createGuard({ source: files.source, identity, rules })
  const explain = (caller: string | null, path: string): string => {
    const { decision } = guard.explain({ caller, method: 'GET', path })
    return decision.effect === 'allow' ? 'allow' : decision.reason
  }

  test('decides for a listed common name', () => {
    assert.equal(explain('core-api', '/internal/billing/invoices'), 'allow')
    assert.equal(explain('analytics-service', '/internal/billing/invoices'), 'authority_missing')
    assert.equal(explain('analytics-service', '/internal/analytics/data'), 'allow')
  })

  test('authenticates no caller with an unlisted name, a SPIFFE ID or no name', () => {
    for (const caller of ['intruder', 'CORE-API', '__proto__', 'spiffe://internal.example/core-api', '', null]) {
      assert.equal(explain(caller, '/internal/health'), 'unauthenticated')
    }
  })

  test('compares DNS names ignoring case, as in a certificate', () => {
    const byDnsName = dnsName({ authorities: { 'order-service.prod.internal': [] } })
    const guardOfHosts = createGuard({ source: files.source, identity: byDnsName, rules: rules.slice(2) })
    const question = { caller: 'Order-Service.prod.internal', method: 'GET', path: '/internal/health' }
    const { decision, layers } = guardOfHosts.explain(question)
    assert.equal(decision.effect, 'allow')
    assert.match(layers.find(({ layer }) => layer === 'authentication')?.because ?? '', /order-service\.prod/)
  })
})
