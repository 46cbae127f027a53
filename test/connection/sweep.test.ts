import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard } from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createAuthority, createKey, serve } from '@countersign/testkit'
import { keepCalling } from '../adapters/keep-calling.ts'
import { scale } from '../support/long.ts'
import { admitNow } from '../support/admit-now.ts'

const count = scale(120, 500)

test(`closes ${count} open connections of distinct workloads whose authority is withdrawn, and serves others meanwhile`, async (context) => {
  const authority = await createAuthority('saas.example')
  const withdrawn = await createAuthority('saas.example', { name: 'withdrawn' })
  const source = await authority.source('spiffe://saas.example/ns/production/sa/billing', { federated: [withdrawn] })
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
  const open = new Set<TLSSocket>()
  running.server.on('secureConnection', (socket: TLSSocket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const key = await createKey()
  const leaving: Promise<unknown>[] = []
  for (let number = 0; number < count; number += 1) {
    const svid = await withdrawn.issue(`spiffe://saas.example/ns/production/sa/workload-${number}`, { key })
    const socket = await running.as(svid).connect()
    leaving.push(new Promise((resolve) => socket.once('close', resolve)))
  }
  const staying = running.as(await authority.issue('spiffe://saas.example/ns/production/sa/core-api'))
  assert.equal((await staying.fetch('/')).status, 200)
  assert.equal(open.size, count + 1)

  source.replace({ bundles: { 'saas.example': authority } })
  const leftAtOnce = open.size
  await using calls = keepCalling(() => staying.fetch('/'))
  await Promise.all(leaving)
  await calls.next()
  const statuses = await calls.stop()
  assert.ok(leftAtOnce > 1, 'the sweep took one turn, and no request could be answered in it')
  assert.deepEqual([...new Set(statuses)], [200])
  assert.equal(open.size, 1)
  assert.deepEqual([...new Set(refused)], ['unknown_authority'])
  assert.equal(refused.length, count)
})
