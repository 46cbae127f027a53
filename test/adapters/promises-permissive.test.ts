import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { describe, test } from 'node:test'
import {
  allOf,
  anonymous,
  anyOf,
  authenticated,
  callers,
  custom,
  denyAll,
  hasAnyAuthority,
  hasAuthority,
  inNamespace,
  inTrustDomain,
  permitAll,
  perRoute,
  provenBy,
  type Requirement,
  serviceAccounts,
} from '@countersign/core'
import { createAuthority, type SvidFault } from '@countersign/testkit'
import { ask, everywhere, idOf, sendRaw, setups, startService, type Service, upgrade } from './credential-service.ts'

const authority = await createAuthority('saas.example')
const foreign = await createAuthority('saas.example')
const partner = await createAuthority('partner.example')
const source = await authority.source(idOf('billing'))
const orders = await authority.issue(idOf('orders'))
const until = new Date(Date.now() + 3_600_000).toISOString()
const permissive = { until }
const audit = { audit: { until } }

/** Requirements that an anonymous caller does not meet, whatever is combined with them. */
const closed: readonly (readonly [string, Requirement])[] = [
  ['authenticated', authenticated()],
  ['hasAuthority', hasAuthority('SERVICE_orders')],
  ['hasAnyAuthority', hasAnyAuthority('SERVICE_orders', 'SERVICE_reports')],
  ['callers', callers('spiffe://saas.example/**')],
  ['serviceAccounts', serviceAccounts('production/orders')],
  ['inNamespace', inNamespace('production')],
  ['inTrustDomain', inTrustDomain('saas.example')],
  ['provenBy', provenBy('x509-svid')],
  ['custom', custom('anyone', () => true)],
  ['custom that matches null', custom('nobody', ({ principal }) => principal === null)],
  [
    'anyOf',
    anyOf(
      authenticated(),
      custom('anyone', () => true),
    ),
  ],
  ['allOf with permitAll', allOf(permitAll(), authenticated())],
  [
    'allOf with custom',
    allOf(
      permitAll(),
      custom('anyone', () => true),
    ),
  ],
  ['denyAll', denyAll()],
]

const open: readonly (readonly [string, Requirement])[] = [
  ['permitAll', permitAll()],
  ['anonymous', anyOf(authenticated(), anonymous())],
  [
    'anyOf with custom',
    anyOf(
      custom('never', () => false),
      anonymous(),
    ),
  ],
]

describe('promise 12: until its deadline, permissive mode lets only callers without a certificate be anonymous', () => {
  for (const setup of setups) {
    for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
      test(`${setup.name}, ${version}: a certificate that is presented has to be valid`, async (context) => {
        const tls = { minVersion: version }
        for (const mode of ['enforce', audit] as const) {
          const service = await startService(context, setup, {
            source,
            rules: everywhere(permitAll()),
            permissive,
            tls,
            mode,
          })
          const { http2 } = setup
          const faulty = await Promise.all(faults.map((fault) => authority.issue(idOf('orders'), { faults: [fault] })))
          const others = [await foreign.issue(idOf('orders')), await partner.issue('spiffe://partner.example/orders')]
          for (const svid of [...faulty, ...others]) {
            const peer = service.running.as(svid, { http2, minVersion: version, maxVersion: version })
            await assert.rejects(peer.fetch('/open'))
          }
          assert.deepEqual(service.seen, [])
          const valid = service.running.as(orders, { http2, minVersion: version, maxVersion: version })
          assert.deepEqual(await ask(valid, '/open'), [orders.spiffeId, null])
          const anyone = service.running.as(null, { http2, minVersion: version, maxVersion: version })
          assert.deepEqual(await ask(anyone, '/open'), [null, null])
          const refusals = service.events.filter(
            (event) => event.type === 'authentication' && event.outcome === 'refused',
          )
          assert.ok(refusals.length > 0)
        }
      })
    }

    test(`${setup.name}: a session of a caller with a certificate is not resumed without it`, async (context) => {
      const service = await startService(context, setup, {
        source,
        rules: everywhere(permitAll()),
        permissive,
        tls: { minVersion: 'TLSv1.2' },
      })
      for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
        const protocols = { minVersion: version, maxVersion: version, ...(setup.http2 && { ALPNProtocols: ['h2'] }) }
        const first = await service.running.as(orders).connect(protocols)
        const tickets: Buffer[] = []
        first.on('session', (session: Buffer) => tickets.push(session))
        await ask(service.as(orders), '/open')
        const session = tickets.at(-1) ?? first.getSession()
        first.destroy()
        const again: TLSSocket = connect({
          host: '127.0.0.1',
          port: service.running.port,
          rejectUnauthorized: false,
          ...protocols,
          ...(session && { session }),
        })
        await once(again, 'secureConnect')
        assert.equal(again.isSessionReused(), false)
        again.destroy()
      }
    })

    for (const mode of ['enforce', audit] as const) {
      const name = `${setup.name}, ${mode === 'enforce' ? mode : 'audit'}`

      test(`${name}: a rule has to allow anonymous callers explicitly`, async (context) => {
        for (const [what, allow] of closed) {
          const rules = [{ path: '/admin', allow }, ...everywhere(permitAll())]
          const service = await startService(context, setup, { source, rules, permissive, mode })
          const response = await service.as(null).fetch('/admin')
          assert.equal(response.status, 401, what)
          assert.equal(response.headers.get('www-authenticate'), 'ClientCertificate', what)
          assert.deepEqual(service.seen, [], what)
          assert.deepEqual(await ask(service.as(null), '/open'), [null, null])
        }
        for (const [what, allow] of open) {
          const service = await startService(context, setup, { source, rules: everywhere(allow), permissive, mode })
          assert.deepEqual(await ask(service.as(null), '/admin'), [null, null], what)
        }
      })

      test(`${name}: a path without a rule is closed to them`, async (context) => {
        const rules = [
          { path: '/open/**', allow: permitAll() },
          { path: '/admin', allow: authenticated() },
          { path: '/long', allow: authenticated() },
        ]
        const service = await startService(context, setup, { source, rules, permissive, mode })
        for (const path of ['/missing', '/opened', '/']) assert.equal(await ask(service.as(null), path), 401, path)
        // A target that is ambiguous has the same answer for everyone.
        for (const path of ['/open//x', '/open/../admin', '/open/%2e%2e/admin']) {
          assert.equal(await ask(service.as(null), path), 400, path)
        }
        assert.deepEqual(service.seen, [])
      })

      test(`${name}: a route's own allow has to allow them as well, in config, in hooks and in child instances`, async (context) => {
        for (const [what, narrowed] of closed) {
          const service = await startService(context, setup, {
            source,
            rules: everywhere(permitAll()),
            permissive,
            mode,
            narrowed,
          })
          for (const path of ['/narrowed', '/child']) {
            const response = await service.as(null).fetch(path)
            assert.equal(response.status, 401, `${what}: ${path}`)
            assert.equal(response.headers.get('www-authenticate'), 'ClientCertificate')
          }
          assert.deepEqual(service.seen, [], what)
        }
        for (const [what, narrowed] of open) {
          const service = await startService(context, setup, {
            source,
            rules: everywhere(permitAll()),
            permissive,
            mode,
            narrowed,
          })
          for (const path of ['/narrowed', '/child'])
            assert.deepEqual(await ask(service.as(null), path), [null, null], what)
          const strict = await startService(context, setup, {
            source,
            rules: everywhere(authenticated()),
            permissive,
            mode,
            narrowed,
          })
          for (const path of ['/narrowed', '/child']) assert.equal(await ask(strict.as(null), path), 401, what)
        }
      })

      test(`${name}: decides requests with Expect, and upgrades, in the same way`, async (context) => {
        const rules = [{ path: '/admin', allow: authenticated() }, ...everywhere(anyOf(authenticated(), anonymous()))]
        const service = await startService(context, setup, { source, rules, permissive, mode })
        const headers = { expect: '100-continue' }
        assert.equal((await service.as(null).fetch('/admin', { method: 'POST', headers })).status, 401)
        assert.equal((await service.as(null).fetch('/open', { method: 'POST', headers })).status, 200)
        assert.deepEqual(
          service.seen.map(({ path }) => path),
          ['/open'],
        )
        if (setup.http2) return
        const socket = await service.running.as(null).connect()
        const answer = await sendRaw(socket, 'GET /admin HTTP/1.1', { connection: 'upgrade', upgrade: 'echo' })
        assert.match(answer, /^HTTP\/1\.1 401 [^]*www-authenticate: ClientCertificate/)
        await upgrade(service, null)
        assert.equal(service.seen.length, 2)
      })
    }

    test(`${setup.name}: reports the routes that are open, once, and who used them`, async (context) => {
      const rules = [
        { path: '/admin', allow: authenticated() },

        ...everywhere(permitAll()),
      ]
      const name = ({ headers }: { readonly headers: object }): string | undefined =>
        String(Reflect.get(headers, 'x-api-key-id') ?? '')
      const service = await startService(context, setup, { source, rules, permissive: { until, name } })
      assert.deepEqual(modesOf(service), [['permissive', 'started', ['rules[1] (/**)']]])
      await ask(service.as(null), '/open', { 'x-api-key-id': 'partner-42' })
      await ask(service.as(null), '/admin')
      await ask(service.as(orders), '/open')
      const readiness = service.guard.readiness()
      assert.equal(readiness?.isReady, false)
      assert.deepEqual(
        readiness.entries.map(({ caller, credential, strict, requests }) => [caller, credential, strict, requests]),
        [
          ['partner-42', 'anonymous', 'deny', 1],
          [orders.spiffeId, 'x509-svid', 'allow', 1],
        ],
      )
    })
  }

  test('Fastify: also reports the routes that a rule leaves to them', async (context) => {
    const setup = setups[0] ?? assert.fail()
    const rules = [{ path: '/narrowed', allow: perRoute() }, ...everywhere(authenticated())]
    const service = await startService(context, setup, {
      source,
      rules,
      permissive,
      narrowed: anyOf(authenticated(), anonymous()),
    })
    assert.deepEqual(await ask(service.as(null), '/narrowed'), [null, null])
    const [[, , routes] = []] = modesOf(service)
    assert.ok(Array.isArray(routes) && routes.includes('GET /narrowed'), JSON.stringify(routes))
  })
})

const faults: readonly SvidFault[] = [
  'expired',
  'not_yet_valid',
  'self_signed',
  'ca_leaf',
  'bad_signature',
  'two_uri_sans',
  'no_uri_san',
  'no_path',
  'no_digital_signature',
  'duplicate_extension',
]

function modesOf({ events }: Service): readonly (readonly [string, string, unknown])[] {
  return events.flatMap((event) => (event.type === 'mode' ? [[event.mode, event.outcome, event.routes] as const] : []))
}
