import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard } from '@countersign/core'
import { createAuthority, serve } from '@countersign/testkit'

test('an update that arrives while peers of the last one are being disconnected spares those that it verifies again', async (context) => {
  const first = await createAuthority('saas.example')
  const second = await createAuthority('saas.example')
  const source = await first.source('spiffe://saas.example/ns/production/sa/billing')
  const back = source.svid
  let count = 0
  const guard = createGuard({
    source,
    rules: [{ path: '/**', allow: authenticated() }],
    log: ({ type }) => {
      if (type !== 'authentication') return
      count += 1
      if (count === 1) source.replace({ svid: back, bundles: { 'saas.example': first } })
    },
  })
  const running = await serve(guard, (_request, response) => response.end())
  context.after(() => running.close())
  const sockets: TLSSocket[] = []
  for (let index = 0; index < 4; index += 1) {
    const peer = running.as(await first.issue(`spiffe://saas.example/ns/production/sa/caller-${index}`))
    sockets.push(await peer.connect())
  }
  const next = await second.issue('spiffe://saas.example/ns/production/sa/billing')
  source.replace({ svid: next, bundles: { 'saas.example': second } })
  // A completed handshake shows that its peer has seen the earlier close.
  await running.as(await first.issue('spiffe://saas.example/ns/production/sa/core-api')).connect()
  assert.equal(count, 1)
  assert.equal(sockets.filter(({ destroyed, readableEnded }) => destroyed || readableEnded).length, 1)
})
