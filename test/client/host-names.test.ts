import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { connectTls, createAgent, createDispatcher, createFetch, type HostNames } from '@countersign/client'
import { ConfigurationError, fileSource } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'
import { senders } from './callers.ts'
import { expectCallError } from './expect-call-error.ts'
import { LoopbackServer } from './loopback-server.ts'
import { withLife } from '../support/with-life.ts'
import { until } from './until.ts'

const anyId = 'spiffe://web.example/server'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

const saas = await createAuthority('saas.example')
const web = await createAuthority('web.example', { spiffeId: false })
const source = await saas.source(coreApi)
const servers: HostNames = { dns: true, ca: web.bundlePem }

for (const [routing, sender] of senders) {
  test(`${routing}: calls a server whose certificate has the host name, with our SVID`, async (context) => {
    const server = await LoopbackServer.start(context, await web.issue(anyId, { dnsNames: ['localhost'] }))
    const send = sender(context, source, servers)
    assert.equal(await text(await send(`https://localhost:${server.port}`)), source.svid.serialNumber)
    const byAddress = await LoopbackServer.start(context, await web.issue(anyId, { ipAddresses: ['127.0.0.1'] }))
    assert.equal(await text(await send(byAddress.url)), source.svid.serialNumber)
  })

  test(`${routing}: refuses a server without the host name or of another authority`, async (context) => {
    const send = sender(context, source, servers)
    const named = await LoopbackServer.start(context, await web.issue(anyId, { dnsNames: ['billing.example'] }))
    await expectCallError(send(`https://localhost:${named.port}`), {
      code: 'server_unexpected',
      reason: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    const other = await createAuthority('web.example')
    const foreign = await LoopbackServer.start(context, await other.issue(anyId, { dnsNames: ['localhost'] }))
    await expectCallError(send(`https://localhost:${foreign.port}`), { code: 'server_untrusted' })
    const old = await web.issue(anyId, { dnsNames: ['localhost'], faults: ['expired'] })
    const late = await LoopbackServer.start(context, old)
    await expectCallError(send(`https://localhost:${late.port}`), {
      code: 'server_untrusted',
      reason: 'CERT_HAS_EXPIRED',
    })
    assert.equal(named.requests.length + foreign.requests.length + late.requests.length, 0)
  })

  test(`${routing}: a connection to a host closes when its certificate expires, and is not kept until then`, (context) =>
    withLife(
      9,
      async (life) => {
        const send = sender(context, source, servers)
        // The last tenth of its lifetime starts in two seconds and lasts seven.
        const notBefore = Date.now() - 61_000 * life.scale
        const short = await web.issue(anyId, { dnsNames: ['localhost'], ttlSeconds: life.seconds, notBefore })
        const server = await LoopbackServer.start(context, short, (request, response) => {
          if (request.url === '/slow') response.write('a beginning')
          else response.end('done')
        })
        const url = `https://localhost:${server.port}`
        const slow = send(`${url}/slow`).then(text)
        await until(() => server.requests.length === 1 || life.isLate())
        const failing = expectCallError(slow, { code: 'server_untrusted', reason: 'identity_expired' })
        failing.catch(() => undefined)
        await text(await send(url))
        assert.equal(server.connections, 2)
        life.begun()
        await until(() => server.connections === 1)
        assert.ok(Date.now() < short.expiresAt)
        await failing
      },
      1,
    ))

  test(`${routing}: calls to a host stop when our own certificate expires`, async (context) => {
    const own = await saas.source(coreApi)
    const send = sender(context, own, servers)
    const shown = await web.issue(anyId, { dnsNames: ['localhost'] })
    const server = await LoopbackServer.start(context, shown, (_request, response) => response.write('a beginning'))
    const running = send(`https://localhost:${server.port}`).then(text)
    await until(() => server.requests.length === 1)
    own.withdraw()
    await expectCallError(running, { code: 'own_certificate_missing' })
  })

  test(`${routing}: an expired certificate outside the path does not close the connection to a host`, async (context) => {
    const send = sender(context, source, servers)
    const old = await createAuthority('web.example', { name: 'an older root' })
    const crossed = await old.crossSign(web, { faults: ['expired'] })
    const server = await LoopbackServer.start(context, await crossed.issue(anyId, { dnsNames: ['localhost'] }))
    assert.equal(await text(await send(`https://localhost:${server.port}`)), source.svid.serialNumber)
    assert.equal(await text(await send(`https://localhost:${server.port}`)), source.svid.serialNumber)
  })

  test(`${routing}: a source with a CA calls hosts, and no SPIFFE IDs`, async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'host-names-'))
    context.after(() => rm(folder, { recursive: true }))
    const own = await web.issue('spiffe://web.example/own', { faults: ['no_uri_san'], subject: { CN: 'core-api' } })
    const [key, cert, ca] = ['key.pem', 'cert.pem', 'ca.pem'].map((name) => join(folder, name))
    assert.ok(key !== undefined && cert !== undefined && ca !== undefined)
    await writeFile(key, own.keyPem, { mode: 0o600 })
    await writeFile(cert, own.certificatePem)
    await writeFile(ca, web.bundlePem)
    const files = await fileSource({ key, cert, ca })
    context.after(() => files.close())
    const server = await LoopbackServer.start(context, await web.issue(anyId, { dnsNames: ['localhost'] }))
    assert.equal(
      await text(await sender(context, files, servers)(`https://localhost:${server.port}`)),
      own.serialNumber,
    )
    assert.throws(() => sender(context, files, [coreApi]), isInvalid)
  })
}

test('fetch: refuses a redirect to another host, and follows one on the same host', async (context) => {
  const shown = await web.issue(anyId, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const other = await LoopbackServer.start(context, shown)
  const server = await LoopbackServer.start(context, shown, (request, response) => {
    const location = request.url === '/far' ? other.url : `https://localhost:${server.port}/end`
    if (request.url === '/end') response.end('the end')
    else response.writeHead(302, { location }).end()
  })
  const fetch = createFetch(source, { servers })
  context.after(() => fetch.close())
  const url = `https://localhost:${server.port}`
  await expectCallError(fetch(`${url}/far`), { code: 'server_unexpected', reason: 'redirect_refused' })
  assert.equal(other.handshakes, 0)
  assert.equal(await (await fetch(`${url}/near`)).text(), 'the end')
})

test('connectTls: a server known by host name has no principal', async (context) => {
  const server = await LoopbackServer.start(context, await web.issue(anyId, { dnsNames: ['localhost'] }))
  const socket = await connectTls(source, { servers, host: 'localhost', port: server.port })
  assert.equal(socket.principal, null)
  socket.destroy()
  const wrong = connectTls(source, { servers, host: '127.0.0.1', port: server.port, servername: 'billing.example' })
  await expectCallError(wrong, { code: 'server_unexpected', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' })
})

/** Invalid authorities, each in a different way. */
const badAuthorities: readonly (readonly [what: string, servers: object])[] = [
  ['garbage', { dns: true, ca: 'garbage' }],
  ['an invalid certificate', { dns: true, ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' }],
  ['a trusted certificate', { dns: true, ca: web.bundlePem.replaceAll(' CERT', ' TRUSTED CERT') }],
  [
    'a second certificate that is indented',
    { dns: true, ca: `${web.bundlePem}${web.bundlePem.replaceAll(/^/gm, ' ')}` },
  ],
  ['an empty list', { dns: true, ca: [] }],
  ['an empty text', { dns: true, ca: '' }],
  ['one valid and one invalid', { dns: true, ca: [web.bundlePem, 'garbage'] }],
  ['none', { dns: true }],
  ['a key', { dns: true, ca: web.keyPem }],
  ['a boolean', { dns: true, ca: true }],
  ['dns: false', { dns: false, ca: web.bundlePem }],
  ['no dns', { ca: web.bundlePem }],
]

for (const [what, bad] of badAuthorities) {
  test(`refuses servers with host names and ${what} at startup`, () => {
    for (const create of [createAgent, createFetch, createDispatcher]) {
      assert.throws(() => Reflect.apply(create, undefined, [source, { servers: bad }]), isInvalid)
    }
  })
}

function isInvalid(error: unknown): boolean {
  return error instanceof ConfigurationError && error.code === 'option_invalid'
}

test('the Host header does not affect which certificate is accepted', async (context) => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/core-api')
  const other = await authority.issue('spiffe://saas.example/other', { dnsNames: ['attacker.example'] })
  const server = await LoopbackServer.start(context, other)
  const agent = createAgent(source, { servers: { dns: true, ca: authority.bundlePem } })
  context.after(() => agent.destroy())
  const sent = new Promise((resolve, reject) => {
    const headers = { host: 'attacker.example' }
    get(`https://localhost:${server.port}`, { agent, headers }, resolve).on('error', reject)
  })
  await expectCallError(sent, { code: 'server_unexpected', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  assert.equal(server.requests.length, 0)
})
