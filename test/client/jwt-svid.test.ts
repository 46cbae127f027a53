import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { createFetch, type Fetch, type JwtSvidProvider } from '@countersign/client'
import { ConfigurationError, SourceError } from '@countersign/core'
import { staticJwtBundles, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { createAuthority } from '@countersign/testkit'
import { startAgent } from '@countersign/testkit/workload-api'
import { createWorkloadApiClient } from '@countersign/workload-api'
import { Request } from 'undici'
import { expectCallError } from './expect-call-error.ts'
import { Provider } from './jwt-provider.ts'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'
const ledger = 'spiffe://saas.example/ns/production/sa/ledger'

const saas = await createAuthority('saas.example')
const source = await saas.source(coreApi)

test('sends a token of our SPIFFE ID for the audience, which the service can verify', async (context) => {
  const { endpoint } = await startCoreApiAgent(context)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: createWorkloadApiClient({ endpoint }) })
  await fetch(server.url)
  await fetch(new URL('/again', server.url), { headers: { accept: 'text/plain' } })
  await fetch(new Request(server.url, { headers: { accept: 'text/plain' } }))
  await fetch(new globalThis.Request(server.url, { method: 'POST', body: 'an invoice', headers: { 'x-id': '1' } }))

  const bundles = staticJwtBundles({ 'saas.example': saas.jwtBundle }).current()
  const tokens = server.requests.map(tokenOf)
  assert.equal(tokens.length, 4)
  assert.equal(new Set(tokens).size, 1)
  const verdict = await verifyJwtSvid(tokens[0] ?? '', { bundles, audiences: ['billing'], now: Date.now() })
  assert.ok(verdict.ok)
  assert.equal(verdict.svid.spiffeId.toString(), coreApi)
  assert.deepEqual(
    server.requests.map(({ headers }) => headers['accept']),
    ['*/*', 'text/plain', 'text/plain', '*/*'],
  )
  assert.equal(server.requests[3]?.headers['x-id'], '1')
})

test('without the option, no call carries a token', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = createFetch(source, { servers: [billing] })
  context.after(() => fetch.close())
  await fetch(server.url)

  assert.equal(server.requests[0]?.headers.authorization, undefined)
})

test('concurrent calls share one fetch of a token', async (context) => {
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: ['billing', 'ledger'], workloadApi: provider })
  await Promise.all([fetch(server.url), fetch(server.url), fetch(server.url)])

  assert.deepEqual(provider.requests, [{ audience: ['billing', 'ledger'], spiffeId: coreApi }])
})

test('keeps a token until half of its lifetime, and then fetches another without waiting for it', async (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  await fetch(server.url)
  context.mock.timers.tick(149_000)
  await fetch(server.url)
  assert.equal(provider.requests.length, 1)

  context.mock.timers.tick(2000)
  provider.hold()
  await fetch(server.url)
  assert.equal(provider.requests.length, 2)
  await provider.release()
  await fetch(server.url)
  const [first, second, third, fourth] = server.requests.map(tokenOf)
  assert.deepEqual([first === second, first === third, first === fourth], [true, true, false])
  assert.equal(provider.requests.length, 2)
})

test('waits for another token if the last tenth of its lifetime has begun', async (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  await fetch(server.url)
  context.mock.timers.tick(271_000)
  await fetch(server.url)

  const [first, second] = server.requests.map(tokenOf)
  assert.notEqual(first, second)
})

test('a provider that fails does not affect calls while the token is valid, and fails them afterwards', async (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  await fetch(server.url)
  provider.error = new SourceError('agent_unreachable', 'the agent is away')
  context.mock.timers.tick(200_000)
  await fetch(server.url)
  await fetch(server.url)
  assert.equal(provider.requests.length, 2)
  context.mock.timers.tick(1000)
  await fetch(server.url)
  assert.equal(provider.requests.length, 3)

  context.mock.timers.tick(80_000)
  await assert.rejects(fetch(server.url), { code: 'agent_unreachable' })
  assert.equal(server.requests.length, 4)
  provider.error = undefined
  await fetch(server.url)
  assert.equal(server.requests.length, 5)
})

test('a denial of the agent ends the use of the last token', async (context) => {
  context.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  await fetch(server.url)
  provider.error = new SourceError('agent_denied', 'no identity issued')
  context.mock.timers.tick(200_000)
  await fetch(server.url)

  await assert.rejects(fetch(server.url), { code: 'agent_denied' })
})

test('a clock that is set back does not prolong a token', async (context) => {
  const now = Date.now()
  context.mock.timers.enable({ apis: ['Date'], now })
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  await fetch(server.url)
  context.mock.timers.setTime(now - 5000)
  await fetch(server.url)

  assert.equal(provider.requests.length, 2)
})

test('another SPIFFE ID of the source needs another token', async (context) => {
  const own = await saas.source(coreApi)
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = createFetch(own, { servers: [billing], jwtSvid: { audience: 'billing', workloadApi: provider } })
  context.after(() => fetch.close())
  await fetch(server.url)
  own.replace({ svid: await saas.issue(ledger) })
  await fetch(server.url)

  assert.deepEqual(
    provider.requests.map(({ spiffeId }) => spiffeId),
    [coreApi, ledger],
  )
})

test('a redirect within the origin carries the token, and one to another origin does not', async (context) => {
  const other = await LoopbackServer.start(context, await saas.issue(ledger), (_request, response) => {
    response.writeHead(302, { location: `${server.url}/back` }).end()
  })
  const targets: Readonly<Record<string, string>> = { '/': '/same', '/same': `${other.url}/other` }
  const server = await LoopbackServer.start(context, await saas.issue(billing), ({ url = '' }, response) => {
    const location = targets[url]
    if (location === undefined) response.end()
    else response.writeHead(302, { location }).end()
  })
  const fetch = open(context, { audience: 'billing', workloadApi: new Provider(saas, coreApi) }, [billing, ledger])
  await fetch(server.url)

  assert.deepEqual(
    [...server.requests, ...other.requests].map(({ url, headers }) => [url, headers.authorization !== undefined]),
    [
      ['/', true],
      ['/same', true],
      ['/back', false],
      ['/other', false],
    ],
  )
})

test('refuses a call with an Authorization header of its own, in any form', async (context) => {
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  const expected = { code: 'call_unsuitable', reason: 'authorization_present' } as const
  const headers = { AUTHORIZATION: 'Basic YTpi' }
  await expectCallError(fetch(server.url, { headers }), expected)
  await expectCallError(fetch(server.url, { headers: [['Authorization', '']] }), expected)
  await expectCallError(fetch(server.url, { headers: new Headers(headers) }), expected)
  await expectCallError(fetch(new Request(server.url, { headers })), expected)
  await expectCallError(fetch(new globalThis.Request(server.url, { headers })), expected)

  assert.deepEqual([server.requests.length, provider.requests.length], [0, 0])
})

test('sends nothing to a server that is not listed', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(ledger))
  const fetch = open(context, { audience: 'billing', workloadApi: new Provider(saas, coreApi) })

  await expectCallError(fetch(server.url), { code: 'server_unexpected' })
  assert.equal(server.requests.length, 0)
})

test('no error and no inspection shows the token', async (context) => {
  const provider = new Provider(saas, coreApi)
  const server = await LoopbackServer.start(context, await saas.issue(billing), (request) => request.socket.destroy())
  const fetch = open(context, { audience: 'billing', workloadApi: provider })
  const error: unknown = await fetch(server.url).catch((thrown: unknown) => thrown)
  const token = tokenOf(server.requests[0] ?? { headers: {} })

  assert.ok(error instanceof Error && token.length > 100)
  for (const value of [error, fetch]) assert.ok(!inspect(value, { depth: 10, showHidden: true }).includes(token))
})

test('refuses what a provider returns instead of a token, without showing it', async (context) => {
  const server = await LoopbackServer.start(context, await saas.issue(billing))
  const wrong: readonly unknown[] = [
    undefined,
    'a.b.c',
    { token: 'a.b.c' },
    { token: 'a.b', expiresAt: Date.now() + 60_000 },
    { token: 'a.b.c\r\nx-role: admin', expiresAt: Date.now() + 60_000 },
  ]
  for (const value of wrong) {
    const workloadApi: JwtSvidProvider = {
      fetchJwtSvid: () => Promise.resolve(JSON.parse(JSON.stringify(value) ?? 'null')),
    }
    const fetch = open(context, { audience: 'billing', workloadApi })
    await assert.rejects(
      fetch(server.url),
      (error) => error instanceof ConfigurationError && !/a\.b/.test(error.message),
    )
  }
  assert.equal(server.requests.length, 0)
})

test('refuses invalid options when the fetch is created', () => {
  const provider = new Provider(saas, coreApi)
  const wrong: readonly unknown[] = [
    null,
    'billing',
    {},
    { audience: 'billing' },
    { workloadApi: provider },
    { audience: [], workloadApi: provider },
    { audience: '', workloadApi: provider },
    { audience: [1], workloadApi: provider },
    { audience: 'billing', workloadApi: {} },
    { audience: 'billing', workloadApi: provider, spiffeId: coreApi },
  ]
  for (const jwtSvid of wrong) {
    assert.throws(
      () => Reflect.apply(createFetch, undefined, [source, { servers: [billing], jwtSvid }]),
      ConfigurationError,
    )
  }
})

function open(
  context: TestContext,
  jwtSvid: Parameters<typeof createFetch>[1]['jwtSvid'] & object,
  servers: readonly string[] = [billing],
): Fetch {
  const fetch = createFetch(source, { servers, jwtSvid })
  context.after(() => fetch.close())
  return fetch
}

async function startCoreApiAgent(context: TestContext): Promise<{ readonly endpoint: string }> {
  const agent = await startAgent({ authority: saas, entries: [{ spiffeId: billing }, { spiffeId: coreApi }] })
  context.after(() => agent.close())
  return agent
}

function tokenOf({ headers }: { readonly headers: { readonly authorization?: string | undefined } }): string {
  const [, token = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? []
  return token
}
