import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { connectTls, type ConnectTlsOptions } from '@countersign/client'
import { billing, coreApi, portOf, saas } from './tls-pair.ts'

const source = await saas.source(coreApi)
const { keyPem: key, certificatePem: cert } = await saas.issue(billing, { ipAddresses: ['127.0.0.1'] })

for (const [caller, dial, tookPart] of [
  ['node:tls', (port: number) => connect({ port, host: '127.0.0.1', rejectUnauthorized: false }), true],
  ['a caller of workloads', (port: number) => call(port, [billing]), false],
  ['a caller of hosts', (port: number) => call(port, { dns: true, ca: saas.bundlePem }), false],
] as const) {
  test(`${caller} takes ${tookPart ? 'part' : 'no part'} in a renegotiation that a TLS 1.2 server starts`, async (context) => {
    const server = createServer({ key, cert, maxVersion: 'TLSv1.2' })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    context.after(() => server.close())
    const accepted = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
    const socket = await dial(portOf(server))
    context.after(() => socket.destroy())
    const serverSide = await accepted
    const failed = new Promise<boolean>((resolve) => {
      for (const end of [socket, serverSide]) end.on('error', () => resolve(false)).resume()
    })
    const before = serverSide.getPeerFinished()
    const done = new Promise<boolean>((resolve) => serverSide.renegotiate({}, (error) => resolve(error === null)))
    serverSide.write('x')
    assert.equal(await Promise.race([done, failed]), tookPart)
    assert.equal(serverSide.getPeerFinished()?.equals(before ?? Buffer.alloc(0)) !== true, tookPart)
  })
}

function call(port: number, servers: ConnectTlsOptions['servers']): Promise<TLSSocket> {
  return connectTls(source, { servers, host: '127.0.0.1', port, tls: { minVersion: 'TLSv1.2' } })
}
