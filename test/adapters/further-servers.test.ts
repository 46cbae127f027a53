import assert from 'node:assert/strict'
import dns from 'node:dns'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { connect } from 'node:tls'
import middie from '@fastify/middie'
import { authenticated, createGuard, hasAuthority } from '@countersign/core'
import { countersign } from '@countersign/fastify'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import Fastify from 'fastify'

const idOf = (name: string): string => `spiffe://saas.example/ns/production/sa/${name}`
const rules = [
  { path: '/admin/**', allow: hasAuthority('SERVICE_admin-ui') },
  { path: '/**', allow: authenticated() },
]

test('attaches the second server of localhost before it accepts a connection', async (context) => {
  // The addresses of a machine with IPv6, in a form on which every Linux can listen.
  const addresses = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  context.mock.method(dns, 'lookup', (host: string, ...rest: readonly (LookupCallback | LookupOptions)[]) => {
    const isAll = rest.some((each) => typeof each === 'object' && each.all === true)
    const callback = rest.find((each) => typeof each === 'function')
    if (isAll) callback?.(null, host === 'localhost' ? addresses : [{ address: host, family: 4 }])
    else callback?.(null, host === 'localhost' ? '127.0.0.1' : host, 4)
  })
  const authority = await createAuthority('saas.example')
  const source = await authority.source(idOf('billing'))
  const attacker = await authority.issue(idOf('mailer'))
  const guard = createGuard({ source, rules, log: () => undefined })
  const app = Fastify({ https: guard.tlsOptions() })
  context.after(() => app.close())
  // Runs after both servers listen and before the hooks of the plugin.
  const answers = new Promise<readonly string[]>((resolve) => {
    app.addHook('onListen', async () => {
      const listening = app.addresses().filter((each) => typeof each === 'object')
      resolve(await Promise.all(listening.map(({ address, port }) => ask(attacker, address, port))))
    })
  })
  const reached: string[] = []
  await app.register(middie)
  await app.register(countersign, { guard })
  app.use('/admin', (request: IncomingMessage, response: ServerResponse) => {
    reached.push(request.url ?? '')
    response.end('secret')
  })
  await app.listen({ host: 'localhost', port: 0 })
  assert.deepEqual(await answers, ['HTTP/1.1 403 Forbidden', 'HTTP/1.1 403 Forbidden'])
  assert.deepEqual(reached, [])
})

interface LookupOptions {
  readonly all?: boolean
}

type LookupCallback = (error: null, found: unknown, family?: number) => void

/** The status line of one request on a new connection. */
function ask({ keyPem, certificatePem }: TestSvid, host: string, port: number): Promise<string> {
  const socket = connect({
    host,
    port,
    rejectUnauthorized: false,
    key: keyPem,
    cert: certificatePem,
  })
  socket.setEncoding('latin1')
  socket.write(`GET /admin/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  return new Promise((resolve) => {
    let received = ''
    socket.on('data', (chunk: string) => (received += chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received.split('\r\n', 1)[0] ?? ''))
  })
}
