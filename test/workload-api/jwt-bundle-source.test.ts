import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ConfigurationError, SourceError, type SourceNotice } from '@countersign/spiffe'
import { type NoticingJwtBundleSource, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { createAuthority } from '@countersign/testkit'
import type { Agent } from '@countersign/testkit/workload-api'
import { createWorkloadApiClient, jwtBundleSource, type JwtBundleSourceOptions } from '@countersign/workload-api'
import { status } from '@grpc/grpc-js'
import { createSigner, toDocument } from '../jwt/tokens.ts'
import { billing, startBillingAgent } from './agent-service.ts'
import { type Script, startScriptedAgent } from './scripted-agent.ts'
import { waitUntil } from './waiting.ts'

const partnerId = 'spiffe://partner.example/client'
const first = createSigner('first')
const second = createSigner('second')

test('verifies a token of the agent without asking the agent', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const token = await fetchToken(agent)

  assert.equal(await verify(source, token), 'ok')
  assert.equal(await verify(source, token, 'other'), 'audience_unexpected')
  assert.deepEqual(
    agent.calls.map(({ method }) => method),
    ['FetchJWTBundles', 'FetchJWTSVID'],
  )
})

test('JB-1: a key that an update adds is accepted, and earlier ones stay for the overlap', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const before = await fetchToken(agent)
  await agent.setAuthority(await createAuthority('saas.example'))
  const after = await fetchToken(agent)
  await waitUntil(() => source.current().get('saas.example')?.keyIds.length === 2)

  assert.deepEqual([await verify(source, before), await verify(source, after)], ['ok', 'ok'])
})

test('JB-2: a key that an update removes is no longer accepted', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const token = await fetchToken(agent)
  const old = source.current().get('saas.example')
  await agent.setAuthority(await createAuthority('saas.example'), { overlapSeconds: 0 })
  await waitUntil(() => source.current().get('saas.example') !== old)

  assert.equal(await verify(source, token), 'key_unknown')
})

test('JB-3, JB-8: a federated trust domain is verified with its own bundle, until a message omits it', async (context) => {
  const authorities = await Promise.all(['saas.example', 'partner.example'].map((name) => createAuthority(name)))
  const federated = [{ spiffeId: billing, federatesWith: ['partner.example'] }, { spiffeId: partnerId }]
  const agent = await startBillingAgent(context, { authorities, entries: federated })
  const source = await open(context, agent)
  const token = await fetchToken(agent, partnerId)
  const own = source.current().get('saas.example')
  assert.equal(await verify(source, token), 'ok')

  await agent.setEntries([{ spiffeId: billing }])
  await waitUntil(() => !source.current().has('partner.example'))
  assert.equal(await verify(source, token), 'trust_domain_unknown')
  assert.equal(source.current().get('saas.example'), own)
})

test('an unreadable bundle affects only its own trust domain, and is reported', async (context) => {
  const { endpoint } = await startScriptedAgent(context, () => ({
    messages: [
      bundles({
        'spiffe://saas.example': toDocument(first),
        'spiffe://partner.example': '{"keys":',
        'spiffe://empty.example': '',
        'no trust domain': toDocument(second),
      }),
    ],
  }))
  const source = await open(context, { endpoint })
  const notices = listen(source)

  assert.deepEqual(keysOf(source), { 'saas.example': ['first'], 'partner.example': [], 'empty.example': [] })
  assert.deepEqual(
    notices.map(({ outcome, code, trustDomain }) => [outcome, code, trustDomain]),
    [
      ['warning', 'bundle_malformed', 'partner.example'],
      ['warning', 'bundle_malformed', undefined],
    ],
  )
})

test('two bundles of one trust domain in a message leave it without keys', async (context) => {
  const twice = { 'spiffe://saas.example': toDocument(first), 'saas.example': toDocument(second) }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [bundles(twice)] }))
  const source = await open(context, { endpoint })

  assert.deepEqual(keysOf(source), { 'saas.example': [] })
})

test('a bundle that a message repeats stays the same object', async (context) => {
  const one = { 'spiffe://saas.example': toDocument(first) }
  const both = { ...one, 'spiffe://partner.example': toDocument(second) }
  const { endpoint } = await startScriptedAgent(context, () => ({ messages: [bundles(one), bundles(both)] }))
  const source = await open(context, { endpoint }, { startWithoutBundles: true })
  const seen: unknown[] = []
  source.onChange(() => seen.push(source.current().get('saas.example')))
  await waitUntil(() => source.current().size === 2)

  assert.equal(seen.length, 2)
  assert.equal(seen[0], seen[1])
})

test('keeps the bundles while the agent is unreachable, and follows it again', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const notices = listen(source)
  const before = source.current()
  await agent.stop()
  await waitUntil(() => notices.some(({ code }) => code === 'agent_unreachable'))
  assert.equal(source.current(), before)

  await agent.start()
  await waitUntil(() => notices.some(({ outcome }) => outcome === 'recovered'))
  assert.equal(await verify(source, await fetchToken(agent)), 'ok')
})

test('drops the bundles after a confirmed denial, and accepts them again', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const notices = listen(source)
  const token = await fetchToken(agent)
  await agent.setEntries([])
  await waitUntil(() => source.current().size === 0)
  assert.deepEqual(
    notices.map(({ outcome, code }) => [outcome, code]),
    [['lost', 'agent_denied']],
  )
  assert.equal(await verify(source, token), 'trust_domain_unknown')

  await agent.setEntries([{ spiffeId: billing }])
  await waitUntil(() => source.current().size === 1)
  assert.equal(notices.at(-1)?.outcome, 'recovered')
  assert.equal(await verify(source, token), 'ok')
})

test('does not drop the bundles after a denial that the agent reverts', async (context) => {
  const agent = await startBillingAgent(context)
  const source = await open(context, agent)
  const before = source.current()
  await agent.fail('permission_denied', { times: 1, method: 'FetchJWTBundles' })
  await waitUntil(() => agent.calls.filter(({ method }) => method === 'FetchJWTBundles').length === 2)

  assert.equal(source.current(), before)
})

const hopeless: readonly (readonly [Script['last'], string])[] = [
  [{ code: status.PERMISSION_DENIED, details: 'no identity issued' }, 'agent_denied'],
  [{ code: status.UNIMPLEMENTED, details: 'not offered' }, 'agent_unsupported'],
  [{ code: status.INVALID_ARGUMENT, details: 'not this endpoint' }, 'agent_refused'],
]

for (const [last, code] of hopeless) {
  test(`rejects with ${code} if that is what the agent answers`, async (context) => {
    const { endpoint } = await startScriptedAgent(context, () => (last === undefined ? {} : { last }))

    await assert.rejects(
      jwtBundleSource({ endpoint, timeoutMs: 300, maxRetryMs: 20 }),
      (error) => error instanceof SourceError && error.code === code,
    )
  })
}

test('can start without bundles, and has them once the agent is there', async (context) => {
  const agent = await startBillingAgent(context, { faults: [{ name: 'unavailable', times: 2 }] })
  const source = await open(context, agent, { startWithoutBundles: true })
  assert.equal(source.current().size, 0)
  await waitUntil(() => source.current().size === 1)

  assert.equal(await verify(source, await fetchToken(agent)), 'ok')
})

test('refuses unknown and invalid options', async () => {
  const endpoint = 'unix:///nowhere.sock'
  const wrong: readonly unknown[] = [
    { endpoint: 1 },
    { endpoint: 'http://127.0.0.1' },
    { endpoint, timeoutMs: 0 },
    { endpoint, maxRetryMs: 'soon' },
    { endpoint, startWithoutBundles: 1 },
    { endpoint, hint: 'internal' },
    null,
  ]
  for (const options of wrong) {
    await assert.rejects(async () => {
      await Reflect.apply(jwtBundleSource, undefined, [options])
    }, ConfigurationError)
  }
})

async function open(
  context: TestContext,
  { endpoint }: { readonly endpoint: string },
  options: JwtBundleSourceOptions = {},
): Promise<NoticingJwtBundleSource> {
  const source = await jwtBundleSource({ endpoint, maxRetryMs: 20, ...options })
  context.after(() => source.close())
  return source
}

async function fetchToken({ endpoint }: Agent, spiffeId: string = billing): Promise<string> {
  const { token } = await createWorkloadApiClient({ endpoint }).fetchJwtSvid({ audience: ['core-api'], spiffeId })
  return token
}

async function verify(source: NoticingJwtBundleSource, token: string, audience = 'core-api'): Promise<string> {
  const verdict = await verifyJwtSvid(token, { bundles: source.current(), audiences: [audience], now: Date.now() })
  return verdict.ok ? 'ok' : verdict.reason
}

function bundles(documents: Readonly<Record<string, string>>): object {
  return {
    bundles: Object.fromEntries(Object.entries(documents).map(([name, text]) => [name, Buffer.from(text)])),
  }
}

function keysOf(source: NoticingJwtBundleSource): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries([...source.current()].map(([name, { keyIds }]) => [name, keyIds]))
}

function listen(source: NoticingJwtBundleSource): readonly SourceNotice[] {
  const notices: SourceNotice[] = []
  source.onNotice((notice) => notices.push(notice))
  return notices
}
