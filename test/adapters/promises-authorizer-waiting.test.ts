import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { anonymous, anyOf, authenticated, hasAuthority, provenBy, type Rule } from '@countersign/core'
import { createAuthority, type TestSource } from '@countersign/testkit'
import { holdAuthorizer, type HeldAuthorizer } from './authorized-service.ts'
import { ask, idOf, type Service, type ServiceOptions, setups, startService } from './credential-service.ts'
import { bearer, createBundles, issueToken, nextSigner, type ReplaceableBundles, signer } from './token-service.ts'

const authority = await createAuthority('saas.example')
const [orders, reports] = [await authority.issue(idOf('orders')), await authority.issue(idOf('reports'))]
const narrowed = hasAuthority('SERVICE_admin-ui')
const rules: readonly Rule[] = [
  { path: '/admin', allow: narrowed },
  { path: '/**', allow: anyOf(authenticated(), provenBy('jwt-svid'), anonymous()) },
]

interface Started {
  readonly service: Service
  readonly source: TestSource
  readonly bundles: ReplaceableBundles
  readonly held: HeldAuthorizer
}

async function start(
  context: TestContext,
  setup: Service['setup'],
  held: HeldAuthorizer = holdAuthorizer(),
  options: Partial<ServiceOptions> = {},
): Promise<Started> {
  const bundles = createBundles()
  const source = await authority.source(idOf('billing'))
  const jwtSvid = { audiences: ['billing'], bundles, withoutCertificate: true as const }
  const { authorizer } = held
  const service = await startService(context, setup, {
    source,
    rules,
    authorizer,
    credentials: { jwtSvid },
    ...options,
  })
  return { service, source, bundles, held }
}

/** A clock that only the test moves. */
function takeClock({ mock }: TestContext): (milliseconds: number) => void {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Math.ceil(Date.now() / 1000) * 1000 })
  return (milliseconds) => {
    for (let rest = milliseconds; rest > 0; rest -= 30_000) mock.timers.tick(Math.min(rest, 30_000))
  }
}

function until(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString()
}

const changes: readonly (readonly [
  string,
  (started: Started, pass: (milliseconds: number) => void) => void,
  readonly [certificate: number, token: number, anonymous: number],
  life?: number,
])[] = [
  ['nothing changes', () => undefined, [200, 200, 200]],
  ['the call timed out', (_started, pass) => pass(60_000), [503, 503, 503]],
  ['all that proves them, and permissive mode, end', (_started, pass) => pass(45_000), [403, 401, 401], 40_000],
  ['the bundle of the token changes', ({ bundles }) => bundles.replace('saas.example', nextSigner), [200, 401, 200]],
  [
    'the bundle changes and still proves it',
    ({ bundles }) => bundles.replace('saas.example', nextSigner, signer),
    [200, 200, 200],
  ],
  ['the identity of this service is withdrawn', ({ source }) => source.withdraw(), [503, 503, 503]],
]

describe('promise 15: nothing reaches a handler while the authorizer has not answered', () => {
  for (const setup of setups) {
    test(`${setup.name}: the handler starts after an answer that allows, and is asked about once`, async (context) => {
      const { service, held } = await start(context, setup)
      const answer = ask(service.as(orders), '/open/a%20b?x=1')
      await held.reached(1)
      assert.deepEqual(service.seen, [])
      held.calls[0]?.answer(true)
      assert.deepEqual(await answer, [idOf('orders'), null])
      assert.equal(held.calls.length, 1)
      const { question } = held.calls[0] ?? assert.fail()
      assert.deepEqual(question.principal, {
        name: idOf('orders'),
        trustDomain: 'saas.example',
        namespace: 'production',
        serviceAccount: 'orders',
        authorities: [...(question.principal?.authorities ?? [])],
        credential: 'x509-svid',
      })
      assert.ok(question.principal?.authorities.includes('SERVICE_orders'))
      const { method, path, host } = question
      assert.deepEqual({ method, path, host }, { method: 'GET', path: '/open/a b', host: '127.0.0.1' })
      assert.ok(Object.isFrozen(question) && Object.isFrozen(question.principal))
    })

    test(`${setup.name}: it is not asked about what anything before it denies`, async (context) => {
      const { service, held } = await start(context, setup, holdAuthorizer(), { narrowed })
      const peer = service.as(orders)
      assert.equal((await peer.fetch('/admin')).status, 403)
      assert.equal((await peer.fetch('/open//x')).status, 400)
      if (setup.framework === 'Fastify') {
        assert.equal((await peer.fetch('/narrowed')).status, 403)
        assert.equal(held.calls.length, 0)
        return
      }
      // Routes of Express decide later.
      const answer = peer.fetch('/narrowed')
      await held.reached(1)
      held.calls[0]?.answer(true)
      assert.equal((await answer).status, 403)
      assert.deepEqual(service.seen, [])
    })

    for (const [what, change, status, life = 600_000] of changes) {
      test(`${setup.name}: what proves the caller is checked again after the wait: ${what}`, async (context) => {
        const pass = takeClock(context)
        const held = holdAuthorizer()
        const started = await start(context, setup, held, { permissive: { until: until(life) } })
        const { service } = started
        const brief = await authority.issue(idOf('brief'), { ttlSeconds: life / 1000 })
        const token = issueToken('orders', { exp: Math.floor((Date.now() + life) / 1000) })
        const answers = [
          service.as(brief).fetch('/open'),
          service.as(null).fetch('/open', { headers: bearer(token) }),
          service.as(null).fetch('/open'),
        ]
        await held.reached(3)
        change(started, pass)
        // On Express, a request is asked about again if the bundle of its token changed.
        held.allowAll()
        const found = await Promise.all(
          answers.map((each) =>
            each.then(
              (response) => response.status,
              () => 'closed',
            ),
          ),
        )
        for (const [index, expected] of status.entries()) {
          // A connection that is closed gets no answer.
          assert.ok(found[index] === expected || (expected !== 200 && found[index] === 'closed'), found.join())
        }
        assert.equal(service.seen.length, status.filter((each) => each === 200).length)
      })
    }

    test(`${setup.name}: the calls in flight are bounded, in all and for each caller`, async (context) => {
      const held = holdAuthorizer({ maxConcurrent: 4, maxConcurrentPerCaller: 2 })
      const { service } = await start(context, setup, held, { permissive: { until: until(600_000) } })
      const answers: Promise<Response>[] = []
      for (const svid of [orders, null]) {
        for (let count = 0; count < 2; count += 1) answers.push(service.as(svid).fetch('/open'))
        await held.reached(answers.length)
        assert.equal((await service.as(svid).fetch('/open')).status, 503)
      }
      assert.equal((await service.as(reports).fetch('/open')).status, 503)
      assert.equal(held.calls.length, 4)
      for (const { answer } of held.calls) answer(true)
      for (const answer of answers) assert.equal((await answer).status, 200)
      const last = service.as(reports).fetch('/open')
      await held.reached(5)
      held.calls[4]?.answer(true)
      assert.equal((await last).status, 200)
    })

    test(`${setup.name}: answers are kept for the same proof only, and never beyond their time`, async (context) => {
      const cache = { key: () => [], ttl: '1h' }
      const { service, source, held } = await start(context, setup, holdAuthorizer({ cache }))
      const call = async (svid: typeof orders, asked: number, allow: boolean): Promise<number> => {
        const answer = service.as(svid).fetch('/open')
        await held.reached(asked)
        held.calls[asked - 1]?.answer(allow)
        return (await answer).status
      }
      assert.equal(await call(orders, 1, true), 200)
      assert.equal(await call(orders, 1, true), 200)
      assert.equal(await call(reports, 2, false), 403)
      assert.equal(await call(reports, 2, false), 403)
      assert.equal(await call(orders, 2, true), 200)
      source.replace({ svid: await authority.issue(idOf('billing')) })
      assert.equal(await call(orders, 3, false), 403)
      assert.equal(await call(orders, 3, false), 403)
      assert.equal(held.calls.length, 3)
    })
  }
})
