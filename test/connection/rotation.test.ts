import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:https'
import { test, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard, type Guard, type MinVersion } from '@countersign/core'
import { createAuthority, type KeyType, Peer, type TestSource, type TestSvid } from '@countersign/testkit'

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

interface Served {
  readonly source: TestSource
  readonly guard: Guard
}

async function create(minVersion: MinVersion = 'TLSv1.3'): Promise<Served> {
  const source = await authority.source(ours)
  const rules = [{ path: '/**', allow: authenticated() }]
  return { source, guard: createGuard({ source, rules, tls: { minVersion }, log: () => undefined }) }
}

function attach(context: TestContext, guard: Guard): Server {
  const server = createServer({ ...guard.tlsOptions() }, (_request, response) => response.end())
  guard.attach(server)
  context.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return server
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

async function connect(
  context: TestContext,
  port: number,
  options: Parameters<Peer['connect']>[0] = {},
): Promise<TLSSocket> {
  const peer = new Peer(port, caller, {})
  context.after(() => peer.close())
  return peer.connect(options)
}

function assertShows(socket: TLSSocket, { serialNumber }: TestSvid): void {
  assert.equal(BigInt(`0x${socket.getPeerCertificate().serialNumber}`), BigInt(`0x${serialNumber}`))
}

const keyTypes: readonly KeyType[] = ['RSA-2048', 'P-256', 'RSA-3072', 'P-384', 'P-521']

for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`serves a certificate with a key of another type at the next handshake (${version})`, async (context) => {
    const { source, guard } = await create('TLSv1.2')
    const port = await listen(attach(context, guard))
    for (const keyType of keyTypes) {
      const next = await authority.issue(ours, { keyType })
      source.replace({ svid: next })
      const socket = await connect(context, port, {
        minVersion: version,
        maxVersion: version,
        ca: authority.bundlePem,
        rejectUnauthorized: true,
        checkServerIdentity: () => undefined,
      })
      assertShows(socket, next)
    }
  })
}

test('serves the same certificate on every server of the guard', async (context) => {
  const { source, guard } = await create()
  const ports = [await listen(attach(context, guard)), await listen(attach(context, guard))]
  for (let count = 0; count < 3; count += 1) {
    const next = await authority.issue(ours)
    source.replace({ svid: next })
    for (const port of ports) assertShows(await connect(context, port), next)
  }
})

test("a closed server presents the source's current material when it listens again", async (context) => {
  const { source, guard } = await create()
  const server = attach(context, guard)
  await listen(server)
  server.close()
  await once(server, 'close')
  const next = await authority.issue(ours)
  source.replace({ svid: next })
  assertShows(await connect(context, await listen(server)), next)
})

test('a server that listens again while the source has no material refuses every handshake until it has', async (context) => {
  const { source, guard } = await create()
  const server = attach(context, guard)
  await listen(server)
  server.close()
  await once(server, 'close')
  source.withdraw()
  const port = await listen(server)
  await assert.rejects(connect(context, port))
  source.replace({})
  assertShows(await connect(context, port), source.svid)
})

test('an update does not re-enable tickets or older versions of TLS', async (context) => {
  const { source, guard } = await create()
  const port = await listen(attach(context, guard))
  const rotate = async (): Promise<void> => source.replace({ svid: await authority.issue(ours) })
  const recover = async (): Promise<void> => {
    source.withdraw()
    await rotate()
  }
  for (const change of [rotate, recover]) {
    await change()
    await assert.rejects(connect(context, port, { maxVersion: 'TLSv1.2' }))
    const socket = await connect(context, port)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    const session = socket.getSession()
    assert.ok(session !== undefined)
    assert.equal((await connect(context, port, { session })).isSessionReused(), false)
  }
})
