import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import {
  custom,
  denyAll,
  type GuardOptions,
  hasAuthority,
  inNamespace,
  type Requirement,
  type X509Material,
  type X509Source,
} from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'
import {
  analyticsService,
  billing,
  coreApi,
  readJson,
  reasonsOf,
  rules,
  type Service,
  start,
  variants,
} from './frameworks.ts'

describe('promise 5: what no rule allows is denied, on every path spelling, method, protocol version and upgrade', async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)
  const svid = await authority.issue(coreApi)

  for (const variant of variants) {
    test(`methods and spellings (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      const peer = service.as(svid)
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        for (const path of ['/', '/metrics', '/internalx', '/internal.json']) {
          assert.equal((await peer.fetch(path, { method })).status, 403, `${method} ${path}`)
        }
      }
      for (const method of ['PROPFIND', 'SEARCH']) {
        assert.equal((await peer.fetch('/metrics', { method })).status, 400, method)
      }
      for (const path of spellings) {
        const { status } = await peer.fetch(path)
        assert.ok(status === 403 || status === 400, `${path}: ${status}`)
      }
      assert.deepEqual(service.handled, [])
    })

    test(`requests with Expect: 100-continue and an own listener for it (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      const reached: string[] = []
      service.running.server.on('checkContinue', (request: Target, response: Answer) => {
        reached.push(request.url)
        response.writeContinue()
        response.end('reached')
      })
      const post = { method: 'POST', headers: { expect: '100-continue' }, body: 'x' }
      const peer = service.as(svid)
      assert.equal((await peer.fetch('/metrics', post)).status, 403)
      assert.equal(
        (await service.as(await authority.issue(analyticsService)).fetch('/internal/billing/x', post)).status,
        403,
      )
      assert.equal(await (await peer.fetch('/internal/billing/x', post)).text(), 'reached')
      assert.deepEqual(reached, ['/internal/billing/x'])
      assert.deepEqual(service.handled, [])
    })
  }

  for (const variant of variants.filter(({ http2 }) => !http2)) {
    test(`upgrades, CONNECT and other expectations (${variant.name})`, async () => {
      await using service = await start(variant, { source })
      const { server } = service.running
      const reached: string[] = []
      for (const event of ['upgrade', 'connect']) {
        server.on(event, (request: Target, socket: NodeJS.WritableStream) => {
          reached.push(`${event} ${request.url}`)
          socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        })
      }
      server.on('checkExpectation', (request: Target, response: Answer) => {
        reached.push(`checkExpectation ${request.url}`)
        response.end()
      })
      const peer = service.as(svid)
      const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
      const send = async (line: string, headers: string): Promise<string> => {
        const socket = await peer.connect()
        socket.write(`${line} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`)
        const received: unknown[] = await once(socket, 'data')
        socket.destroy()
        return String(received[0]).slice(9, 12)
      }
      assert.equal(await send('GET /metrics', upgrade), '403')
      assert.equal(await send('GET /internal/../metrics', upgrade), '400')
      assert.equal(await send('CONNECT internal:443', ''), '400')
      assert.equal(await send('CONNECT /internal/health', ''), '400')
      assert.equal(await send('GET /metrics', 'Expect: something\r\n'), '403')
      assert.deepEqual(reached, [])
      assert.equal(await send('GET /internal/live', upgrade), '101')
      assert.deepEqual(reached, ['upgrade /internal/live'])
      assert.deepEqual(service.handled, [])
    })
  }
})

describe('promise 8: every denial has a reason that an operator can read and a caller cannot', async () => {
  const authority = await createAuthority('saas.example')
  const published: unknown[] = []
  const publish = (event: unknown): void => void published.push(event)
  before(() => subscribe('countersign:denial', publish))
  after(() => unsubscribe('countersign:denial', publish))

  for (const variant of variants) {
    test(variant.name, async () => {
      const source = await authority.source(billing, { federated: [await createAuthority('partner.example')] })
      await using service = await start(variant, {
        source: withoutNotices(source),
        rules: [...denyingRules, ...rules],
        trustDomains: ['saas.example', 'partner.example'],
        authorities: () => [],
      })
      const peer = service.as(await authority.issue(analyticsService))
      const full = service.as(await authority.issue(coreApi))
      assert.equal((await full.fetch('/internal/health')).status, 200)
      for (const [path, status, code, reason] of denials) {
        const denied = await (path === narrowed ? full : peer).fetch(path)
        await checkDenial(denied, { status, code, reason }, service)
      }
      source.withdraw()
      const denied = await full.fetch('/internal/health')
      await checkDenial(
        denied,
        { status: 503, code: 'authorization_unavailable', reason: 'source_unavailable' },
        service,
      )
    })
  }

  async function checkDenial(
    response: Response,
    expected: Readonly<Record<string, unknown>>,
    service: Service,
  ): Promise<void> {
    const { reason, ...public_ } = expected
    assert.equal(response.status, expected.status)
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    const { type, title, instance, ...rest } = await readJson(response)
    assert.deepEqual(rest, public_)
    assert.equal(type, 'about:blank')
    assert.ok(title === 'Forbidden' || title === 'Bad Request' || title === 'Service Unavailable')
    const event = service.events.findLast(({ type }) => type === 'denial')
    assert.ok(event?.type === 'denial')
    assert.equal(instance, `urn:uuid:${event.id}`)
    assert.equal(event.reason, reason)
    assert.notEqual(event.detail, '')
    assert.deepEqual(published.at(-1), event)
  }
})

/** The same source, but without notifying of its loss, so that a request can still arrive. */
function withoutNotices(source: TestSource): X509Source {
  return {
    get current(): X509Material {
      return source.current
    },
    onUpdate: (listener) => source.onUpdate(listener),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  }
}

describe('promise 9: the built-in decision neither waits nor throws', async () => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source(billing)
  const svid = await authority.issue(coreApi)

  for (const variant of variants) {
    test(`a custom requirement that waits or throws results in 503 and runs no handler (${variant.name})`, async () => {
      const names = Object.keys(brokenTests)
      const own = Object.entries(brokenTests).map(([name, test]) => ({
        path: `/internal/${name}`,
        allow: broken(name, test),
      }))
      await using service = await start(variant, { source, rules: [...own, ...rules] })
      const peer = service.as(svid)
      for (const name of names) {
        const response = await peer.fetch(`/internal/${name}`)
        assert.equal(response.status, 503, name)
        assert.equal((await readJson(response)).code, 'authorization_unavailable')
      }
      assert.deepEqual(
        reasonsOf(service),
        names.map(() => 'evaluation_error'),
      )
      assert.deepEqual(service.handled, [])
    })

    test(`a log, a channel or a format that throws does not change the response (${variant.name})`, async () => {
      const failing: Partial<GuardOptions> = { log: fail, formatDenial: fail }
      await using service = await start(variant, { source, ...failing })
      const denied = await service.as(svid).fetch('/metrics')
      assert.equal(denied.status, 403)
      assert.equal((await readJson(denied)).code, 'access_denied')
      assert.equal((await service.as(svid).fetch('/internal/health')).status, 200)
    })

    test(`authorities that cannot be determined result in 503 and run no handler (${variant.name})`, async () => {
      await using service = await start(variant, { source, authorities: fail })
      assert.equal((await service.as(svid).fetch('/internal/health')).status, 503)
      assert.deepEqual(service.handled, [])
    })
  }
})

interface Target {
  readonly url: string
}

interface Answer {
  writeContinue(): void
  end(body?: string): void
}

const spellings = [
  '/metrics/',
  '/METRICS',
  '/metrics?/internal/health',
  '/metrics;/internal/health',
  '/%6detrics',
  '/internal/../metrics',
  '/internal/..%2fmetrics',
  '/internal%2f..%2fmetrics',
  '/internal/%2e%2e/metrics',
  '/internal/..;/metrics',
  '/internal\\..\\metrics',
  '/internal//health',
  '//internal/health',
  '/./internal/health',
  '/internal/health%00',
  '/internal/%C0%AFhealth',
  '/%69nternal/health',
]

const narrowed = '/internal/billing/narrowed'

const denyingRules: NonNullable<GuardOptions['rules']> = [
  { path: '/internal/nobody', allow: denyAll() },
  { path: '/internal/staging', allow: inNamespace('staging') },
  { path: '/internal/partner', allow: ['spiffe://partner.example/ns/production/sa/secret-name'] },
  { path: '/internal/custom', allow: custom('secret name', () => false) },
  { path: '/internal/broken', allow: custom('secret name', fail) },
  { path: '/internal/two', allow: hasAuthority('SECRET_AUTHORITY') },
]

const denials = [
  ['/metrics', 403, 'access_denied', 'no_rule'],
  ['/internal/nobody', 403, 'access_denied', 'deny_all'],
  ['/internal/staging', 403, 'access_denied', 'namespace_not_listed'],
  ['/internal/partner', 403, 'access_denied', 'caller_not_listed'],
  ['/internal/custom', 403, 'access_denied', 'custom_refused'],
  ['/internal/two', 403, 'access_denied', 'authority_missing'],
  ['/internal/billing/invoices', 403, 'access_denied', 'authority_missing'],
  [narrowed, 403, 'access_denied', 'service_account_not_listed'],
  ['/internal/broken', 503, 'authorization_unavailable', 'evaluation_error'],
  ['/internal/../internal/health', 400, 'ambiguous_request', 'dot_segment'],
] as const

const brokenTests = {
  throws: fail,
  'throws-no-error': () => {
    // oxlint-disable-next-line typescript/only-throw-error
    throw 'no error'
  },
  'promises-true': () => Promise.resolve(true),
  rejects: () => Promise.reject(new Error('later')),
  'returns-nothing': () => undefined,
  'returns-one': () => 1,
  'returns-text': () => 'true',
}

/** A custom requirement as untyped code would write it. */
function broken(name: string, test: unknown): Requirement {
  const requirement: unknown = Reflect.apply(custom, null, [name, test])
  assert.ok(isCustom(requirement))
  return requirement
}

function isCustom(value: unknown): value is Requirement {
  return typeof value === 'object' && value !== null && 'custom' in value
}

function fail(): never {
  throw new Error('meant to fail')
}
