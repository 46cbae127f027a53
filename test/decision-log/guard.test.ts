import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { before, test, type TestContext } from 'node:test'
import {
  anonymous,
  anyOf,
  authenticated,
  createGuard,
  decisionLog,
  type DecisionLogOptions,
  type GuardOptions,
  hasAuthority,
  permitAll,
} from '@countersign/core'
import { isRecord } from '@countersign/spiffe/options'
import {
  type Authority,
  createAuthority,
  type Running,
  serve,
  type TestSource,
  type TestSvid,
} from '@countersign/testkit'
import { countersign } from '@countersign/fastify'
import Fastify from 'fastify'
import { createFolder, idOf, type Line, readLines } from './lines.ts'

let authority: Authority
let source: TestSource
let caller: TestSvid
before(async () => {
  authority = await createAuthority('saas.example')
  source = await authority.source(idOf('billing'))
  caller = await authority.issue(idOf('mailer'))
})

const rules: NonNullable<GuardOptions['rules']> = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

async function start(context: TestContext, options: Partial<GuardOptions> = {}): Promise<Running> {
  const guard = createGuard({ source, rules, log: () => undefined, ...options })
  const app = Fastify({ https: guard.tlsOptions() })
  await app.register(countersign, { guard })
  app.get('/*', async () => 'ok')
  const running = await serve(guard, app)
  context.after(() => running.close())
  return running
}

function open(context: TestContext, options: Omit<DecisionLogOptions, 'path'> = {}): () => Promise<readonly Line[]> {
  const path = join(createFolder(context), 'decisions.jsonl')
  const log = decisionLog({ path, ...options })
  context.after(() => log.close())
  return async () => {
    await log.close()
    return readLines(path)
  }
}

test('writes the decisions of a guard over TLS', async (context) => {
  const close = open(context)
  const running = await start(context)
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/a?token=secret')).status, 200)
  const denied = await peer.fetch('/admin/x?token=secret')
  assert.equal(denied.status, 403)
  assert.equal((await peer.fetch('/a/../b#secret')).status, 400)
  const lines = await close()
  const [allowed, denial, ambiguous, ...more] = lines
  assert.deepEqual(more, [])
  assert.deepEqual([allowed?.['effect'], allowed?.['path'], allowed?.['rule']], ['allow', '/a', 1])
  assert.equal(allowed?.['credential'], 'x509-svid')
  assert.equal(allowed?.['principal'], idOf('mailer'))
  assert.deepEqual([denial?.['reason'], denial?.['path'], denial?.['rule']], ['authority_missing', '/admin/x', 0])
  assert.deepEqual(denial?.['missing'], ['SERVICE_admin-ui'])
  assert.match(await denied.text(), new RegExp(String(denial?.['id'])))
  assert.equal(ambiguous?.['status'], 400)
  assert.doesNotMatch(JSON.stringify(lines), /secret|127\.0\.0\.1/)
})

test('names the policy and the revision that decided', async (context) => {
  const close = open(context)
  const running = await start(context, {
    policies: {
      policies: [
        { name: 'mailers', action: 'ALLOW', to: [{ paths: ['/**'] }] },
        { name: 'no-secrets', action: 'DENY', to: [{ paths: ['/secrets/**'] }] },
      ],
    },
  })
  const peer = running.as(caller)
  assert.equal((await peer.fetch('/a')).status, 200)
  assert.equal((await peer.fetch('/secrets/a')).status, 403)
  const [allowed, denied, ...more] = await close()
  assert.deepEqual(more, [])
  assert.deepEqual([allowed?.['effect'], allowed?.['policy'], allowed?.['rule']], ['allow', 'mailers', 1])
  assert.deepEqual([denied?.['reason'], denied?.['policy']], ['policy_denied', 'no-secrets'])
  assert.match(String(allowed?.['revision']), /^sha256:[0-9a-f]{64}$/)
  assert.equal(denied?.['revision'], allowed?.['revision'])
})

test('writes what audit mode let through, with the denial that enforcement would have made', async (context) => {
  const close = open(context, { sampleAllowed: 0 })
  const until = new Date(Date.now() + 86_400_000).toISOString()
  const running = await start(context, { mode: { audit: { until } } })
  const peer = running.as(caller)
  for (let index = 0; index < 5; index += 1) assert.equal((await peer.fetch('/admin/x')).status, 200)
  await running.close()
  const lines = await close()
  assert.equal(lines.length, 5)
  for (const { effect, wouldBe, sampled } of lines) {
    assert.deepEqual([effect, sampled], ['allow', 1])
    assert.ok(isRecord(wouldBe))
    assert.deepEqual([wouldBe['reason'], wouldBe['rule']], ['authority_missing', 0])
    assert.deepEqual(wouldBe['missing'], ['SERVICE_admin-ui'])
  }
})

test('a flood of denials of strangers is bounded, and the callers of the service are still written', async (context) => {
  const close = open(context, { maxPerSecond: 5 })
  const until = new Date(Date.now() + 86_400_000).toISOString()
  const running = await start(context, {
    permissive: { until },
    rules: [
      { path: '/open', allow: permitAll() },
      { path: '/both', allow: anyOf(authenticated(), anonymous()) },
      { path: '/**', allow: authenticated() },
    ],
  })
  const stranger = running.as(null)
  const began = Date.now()
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { status } = await stranger.fetch(`/${'a'.repeat(200)}`)
        assert.equal(status, 401)
      }),
    )
    assert.equal((await running.as(caller).fetch('/mine')).status, 200)
  }
  const seconds = Math.ceil((Date.now() - began) / 1000) + 1
  assert.equal((await stranger.fetch('/open')).status, 200)
  const lines = await close()
  const strangers = lines.filter(({ effect, principal }) => effect === 'deny' && principal === null)
  assert.ok(strangers.length >= 5 && strangers.length <= 5 * seconds, `${strangers.length} lines in ${seconds} s`)
  const counted = lines.reduce((sum, { rate = 0 }) => sum + Number(rate), 0)
  assert.equal(strangers.length + counted, 400)
  const allowed = lines.filter(({ effect }) => effect === 'allow')
  assert.ok(allowed.some(({ principal }) => principal === idOf('mailer')))
  assert.ok(allowed.some(({ principal, path }) => principal === null && path === '/open'))
})

test('no answer waits for a stream that never drains, or depends on one that fails', async (context) => {
  const stuck = decisionLog({ stream: new Writable({ write: () => undefined }), sampleAllowed: 1 })
  const failing = decisionLog({
    stream: new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) }),
    sampleAllowed: 1,
    redactPath: () => {
      throw new Error('the application fails')
    },
    onError: () => undefined,
  })
  context.after(() => Promise.all([stuck.close({ timeoutMs: 0 }), failing.close()]))
  const running = await start(context)
  const peer = running.as(caller)
  for (let index = 0; index < 200; index += 1) assert.equal((await peer.fetch('/a')).status, 200)
  assert.equal((await peer.fetch('/admin/x')).status, 403)
  assert.ok(failing.dropped.failed > 0)
})

test('covers every guard of the process, and none after it is closed', async (context) => {
  const close = open(context)
  const [one, other] = [await start(context), await start(context, { rules: [{ path: '/**', allow: permitAll() }] })]
  await one.as(caller).fetch('/one')
  await other.as(caller).fetch('/other')
  const lines = await close()
  assert.deepEqual(
    lines.map(({ path }) => path),
    ['/one', '/other'],
  )
  assert.equal((await one.as(caller).fetch('/admin/x')).status, 403)
})
