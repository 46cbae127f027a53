import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { test } from 'node:test'
import { connectTls, createTlsServer } from '@countersign/client'
import { authenticated } from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import { LoopbackServer } from './loopback-server.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

const root = await createAuthority('saas.example', { name: 'root' })
const upper = await root.intermediate({ name: 'upper' })
const middle = await upper.intermediate({ name: 'middle' })
// With the same name as the authority above it.
const lower = await middle.intermediate({ name: 'middle' })
const stranger = await createAuthority('partner.example', { name: 'stranger' })
const namesake = await stranger.intermediate({ name: 'middle' })
const source = await root.source(billing)
const peer = await lower.issue(coreApi)
const [leaf = ''] = peer.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/)

const certificates = { root, upper, middle, lower, stranger, namesake, leaf: { certificatePem: leaf } }

const orders: readonly (readonly (keyof typeof certificates)[])[] = [
  ['lower', 'middle', 'upper'],
  ['lower', 'upper', 'middle'],
  ['middle', 'lower', 'upper'],
  ['middle', 'upper', 'lower'],
  ['upper', 'lower', 'middle'],
  ['upper', 'middle', 'lower'],
  ['root', 'upper', 'middle', 'lower'],
  ['stranger', 'upper', 'namesake', 'middle', 'lower'],
  ['leaf', 'upper', 'upper', 'middle', 'middle', 'lower', 'leaf'],
]

for (const order of orders) {
  const certificatePem = leaf + order.map((name) => certificates[name].certificatePem).join('')
  const shown: TestSvid = { ...peer, certificatePem }

  test(`verifies a caller and a server with intermediates in the order ${order.join(', ')}`, async (context) => {
    const server = await LoopbackServer.start(context, shown)
    const { port } = server
    const socket = await connectTls(source, { servers: [coreApi], host: '127.0.0.1', port })
    context.after(() => socket.destroy())
    assert.equal(socket.principal?.name, coreApi)

    const guarded = createTlsServer(source, { callers: authenticated() }, (caller) => caller.end(caller.principal.name))
    context.after(() => guarded.close())
    guarded.listen(0, '127.0.0.1')
    await once(guarded, 'listening')
    const address = guarded.address()
    assert.ok(address !== null && typeof address === 'object')
    const client = connect({
      host: '127.0.0.1',
      port: address.port,
      key: peer.keyPem,
      cert: certificatePem,
      ...unverified,
    })
    context.after(() => client.destroy())
    let received = ''
    client.setEncoding('utf8').on('data', (text: string) => (received += text))
    await once(client, 'end')
    assert.equal(received, coreApi)
  })
}

const unverified = { rejectUnauthorized: false }

test('refuses a server that omits an intermediate, whatever the order of the others', async (context) => {
  for (const order of [
    [middle, lower],
    [lower, middle],
  ]) {
    const certificatePem = leaf + order.map((authority) => authority.certificatePem).join('')
    const { port } = await LoopbackServer.start(context, { ...peer, certificatePem })
    const call = connectTls(source, { servers: [coreApi], host: '127.0.0.1', port })
    await assert.rejects(call, { code: 'server_untrusted', reason: 'unknown_authority' })
  }
})
