import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { authenticated, createGuard } from '@countersign/core'
import { createAuthority } from '@countersign/testkit'

test('silent connections never displace a probe that waits for its response', async (context) => {
  const authority = await createAuthority('saas.example')
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing')
  const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }] })
  const answers: ((isFine: boolean) => void)[] = []
  const check = (): Promise<boolean> => new Promise((resolve) => void answers.push(resolve))
  const listener = await guard.probeListener({ port: 0, host: '127.0.0.1', paths: { '/readyz': check } })
  context.after(() => listener.close())

  const probe = connect(listener.port, '127.0.0.1').setEncoding('latin1')
  let received = ''
  probe.on('data', (chunk: string) => (received += chunk)).on('error', () => undefined)
  const closed = once(probe, 'close')
  probe.write('GET /readyz HTTP/1.1\r\nHost: probe\r\n\r\n')
  while (answers.length === 0) await new Promise(setImmediate)

  const silent: Socket[] = []
  context.after(() => silent.forEach((socket) => socket.destroy()))
  const ended = new Set<Socket>()
  for (let count = 0; count < 100; count += 1) {
    const socket = connect(listener.port, '127.0.0.1')
    socket.on('error', () => undefined).once('close', () => ended.add(socket))
    silent.push(socket.resume())
    await once(socket, 'connect')
  }
  while (ended.size < 30) await new Promise(setImmediate)
  answers[0]?.(true)
  await closed
  assert.match(received, /^HTTP\/1\.1 200 /)
})
