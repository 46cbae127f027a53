import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { connect as connectDirectly, createServer } from 'node:tls'
import { test } from 'node:test'
import { createTlsServer, type ServerSocket } from '@countersign/client'
import { CallError, ConfigurationError, hasAuthority } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { expectCallError } from './expect-call-error.ts'
import { billing, connectTo, coreApi, portOf, received, saas, start } from './tls-pair.ts'
import { until } from './until.ts'

const partnerShop = 'spiffe://partner.example/shop'

const partner = await createAuthority('partner.example')

test('both ends authenticate each other and exchange data', async (context) => {
  const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const socket = await connectTo(context, await saas.source(coreApi), { port })
  assert.equal(socket.principal?.name, billing)
  socket.end('hello')
  assert.equal(await text(socket), `${coreApi} says hello`)
  assert.equal(server.callers.length, 1)
})

test('an unlisted caller is disconnected before it receives a byte, and reported once as a denial', async (context) => {
  const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const other = await saas.source('spiffe://saas.example/ns/production/sa/analytics')
  const socket = await connectTo(context, other, { port })
  socket.end('hello')
  assert.equal(await received(socket), '')
  await until(() => server.events.some(({ type }) => type === 'denial'))
  const denials = server.events.map((event) => (event.type === 'denial' ? event.principal : event.type))
  assert.deepEqual(denials, [other.svid.spiffeId])
  assert.equal(server.callers.length, 0)
})

test('an unauthenticated caller is disconnected and reported once', async (context) => {
  const { server, port } = await start(context, await saas.source(billing), { callers: ['spiffe://saas.example/**'] })
  const svid = await saas.issue(coreApi, { faults: ['expired'] })
  for (const shown of [{ key: svid.keyPem, cert: svid.certificatePem }, {}]) {
    const before = server.events.length
    const socket = connectDirectly({ port, host: '127.0.0.1', rejectUnauthorized: false, ...shown })
    socket.on('error', () => undefined).end('hello')
    assert.equal(await received(socket), '')
    await until(() => server.events.length > before)
    assert.equal(server.events.length, before + 1)
  }
  assert.equal(server.callers.length, 0)
})

test('a requirement decides which callers are accepted', async (context) => {
  const callers = hasAuthority('SERVICE_core-api')
  const { port } = await start(context, await saas.source(billing), { callers })
  const socket = await connectTo(context, await saas.source(coreApi), { port })
  socket.end('hello')
  assert.equal(await text(socket), `${coreApi} says hello`)
  const other = await connectTo(context, await saas.source('spiffe://saas.example/ns/production/sa/x'), { port })
  other.end('hello')
  assert.equal(await received(other), '')
})

test('accepts callers of another trust domain only where it is listed', async (context) => {
  const source = await saas.source(billing, { federated: [partner] })
  const theirs = await partner.source(partnerShop, { federated: [saas] })
  const callers = [partnerShop]
  const open = await start(context, source, { callers, trustDomains: ['saas.example', 'partner.example'] })
  const socket = await connectTo(context, theirs, { port: open.port })
  socket.end('hello')
  assert.equal(await text(socket), `${partnerShop} says hello`)
  assert.throws(() => createTlsServer(source, { callers }, () => undefined), {
    code: 'rule_invalid',
    message: /^createTlsServer: callers.*partner\.example/,
  })
  const shut = await start(context, source, { callers: [coreApi] })
  const refused = await connectTo(context, theirs, { port: shut.port }).catch((error: unknown) => error)
  if (refused instanceof Error) assert.ok(refused instanceof CallError)
  else if (isSocket(refused)) assert.equal(await received(refused.end('hello')), '')
  assert.equal(shut.server.callers.length, 0)
})

test('does not connect to an unexpected server', async (context) => {
  const { server, port } = await start(context, await saas.source(coreApi), { callers: [coreApi] })
  await expectCallError(connectTo(context, await saas.source(coreApi), { port }), { code: 'server_unexpected' })
  await until(() => server.callers.every(({ destroyed }) => destroyed))
})

test('sends the server name and the protocol', async (context) => {
  const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const source = await saas.source(coreApi)
  await connectTo(context, source, { port, servername: 'ledger.internal' })
  await connectTo(context, source, { port, host: 'localhost' })
  await connectTo(context, source, { port })
  await until(() => server.callers.length === 3)
  const names = server.callers.map((caller): unknown => Reflect.get(caller, 'servername'))
  assert.deepEqual(names, ['ledger.internal', 'localhost', false])
  const svid = await saas.issue(billing)
  const speaking = createServer({ key: svid.keyPem, cert: svid.certificatePem, ALPNProtocols: ['ledger/2'] })
  speaking.on('secureConnection', (socket) => socket.on('error', () => undefined))
  speaking.listen(0, '127.0.0.1')
  await once(speaking, 'listening')
  context.after(() => speaking.close())
  const spoken = await connectTo(context, source, { port: portOf(speaking), protocols: ['ledger/1', 'ledger/2'] })
  assert.equal(spoken.alpnProtocol, 'ledger/2')
})

/** Invalid options of a server. */
const mistakes: readonly (readonly [what: string, options: object | undefined, code: string])[] = [
  ['no callers', {}, 'rule_invalid'],
  ['an empty list', { callers: [] }, 'rule_invalid'],
  ['a misspelt option', { caller: [coreApi] }, 'option_unknown'],
  ['rules', { callers: [coreApi], rules: [] }, 'option_unknown'],
  ['onExpiry', { callers: [coreApi], onExpiry: 'refuse' }, 'option_unknown'],
  ['no options', undefined, 'option_invalid'],
]

for (const [what, options, code] of mistakes) {
  test(`createTlsServer refuses ${what}`, async () => {
    const source = await saas.source(billing)
    const create = (): unknown => Reflect.apply(createTlsServer, undefined, [source, options, () => undefined])
    assert.throws(create, (error) => {
      assert.ok(error instanceof ConfigurationError, String(error))
      assert.match(error.code, new RegExp(`^(${code}|option_invalid)$`))
      return true
    })
  })
}

test('createTlsServer refuses a listener that is not a function', async () => {
  const source = await saas.source(billing)
  const create = (): unknown => Reflect.apply(createTlsServer, undefined, [source, { callers: [coreApi] }])
  assert.throws(create, { code: 'option_invalid' })
})

function isSocket(value: unknown): value is ServerSocket {
  return typeof value === 'object' && value !== null && 'principal' in value
}

test('an unauthenticated caller is reported once', async (context) => {
  const stranger = await saas.issue(coreApi, { faults: ['two_uri_sans'] })
  const { server, port } = await start(context, await saas.source(billing), { callers: [coreApi] })
  const { keyPem: key, certificatePem: cert } = stranger
  const socket = connectDirectly({ port, host: '127.0.0.1', key, cert, rejectUnauthorized: false })
  await new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve))
  assert.deepEqual(
    server.events.map((event) => ('reason' in event ? event.reason : event.type)),
    ['several_uri_sans'],
  )
})
