import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, serve } from '@countersign/testkit'
import { countChain } from './tls-probes.ts'
import { watchHandshakes } from '../adapters/watch-handshakes.ts'
import { admitNow } from '../support/admit-now.ts'

test('an open connection survives the removal of its authority if its peer presented the path to the next one', async (context) => {
  const old = await createAuthority('saas.example', { name: 'old' })
  const next = await createAuthority('saas.example', { name: 'next' })
  const issuer = await (await next.crossSign(old)).intermediate()
  const ours = 'spiffe://saas.example/ns/production/sa/billing'
  const source = await old.source(ours)
  const refused: string[] = []
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    log: (event) => event.type === 'authentication' && refused.push(event.reason ?? ''),
  })
  const running = await serve(guard, (request, response) => {
    response.writeHead(isDenial(admitNow(guard, request)) ? 403 : 200).end()
  })
  context.after(() => running.close())
  const shown: number[] = []
  watchHandshakes(running.server, (each) => shown.push(countChain(each)))
  const svid = await issuer.issue('spiffe://saas.example/ns/production/sa/core-api')
  const socket = await running.as(svid).connect()
  let text = ''
  const ask = async (): Promise<string> => {
    text = ''
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
    return text.slice(0, 12)
  }
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  const first = await ask()
  if (shown[0] === 1) {
    // Some versions of Node 24 expose no intermediates of a peer, so there is no path from this leaf to an authority.
    assert.deepEqual([first, refused], ['', ['unknown_authority']])
    return
  }
  assert.equal(first, 'HTTP/1.1 200')
  source.replace({ svid: await next.issue(ours), bundles: { 'saas.example': next } })
  assert.equal(await ask(), 'HTTP/1.1 200')
  assert.deepEqual(refused, [])
})

test('a second connection of the same peer survives too, although its chain was not examined', async (context) => {
  const old = await createAuthority('saas.example', { name: 'old' })
  const next = await createAuthority('saas.example', { name: 'next' })
  const issuer = await (await next.crossSign(old)).intermediate()
  const ours = 'spiffe://saas.example/ns/production/sa/billing'
  const source = await old.source(ours)
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
  const running = await serve(guard, (request, response) => {
    response.writeHead(isDenial(admitNow(guard, request)) ? 403 : 200).end()
  })
  context.after(() => running.close())
  const svid = await issuer.issue('spiffe://saas.example/ns/production/sa/core-api')
  const sockets = [await running.as(svid).connect(), await running.as(svid).connect()]
  const answers = await Promise.all(sockets.map(ask))
  // Versions of Node 24 that expose no intermediates of a peer accept neither.
  if (answers.every((answer) => answer === '')) return
  assert.deepEqual(answers, ['HTTP/1.1 200', 'HTTP/1.1 200'])
  source.replace({ svid: await next.issue(ours), bundles: { 'saas.example': next } })
  assert.deepEqual(await Promise.all(sockets.map(ask)), answers)
})

async function ask(socket: TLSSocket): Promise<string> {
  if (socket.destroyed || socket.readableEnded) return ''
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const answer = await new Promise((resolve) => {
    socket.once('data', resolve).once('close', () => resolve(''))
  })
  return String(answer).slice(0, 12)
}
