import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { ExchangeExpiry, type ProvenUntil } from '../../packages/core/src/connection/exchange-expiry.ts'

/** Exchanges whose credential is checked again after a change of material. */

const later = Date.now() + 3_600_000

function open(exchanges: ExchangeExpiry, findEnd: () => ProvenUntil): PassThrough {
  const socket = new PassThrough()
  exchanges.watch(socket, later, findEnd)
  return socket
}

for (const [name, findEnd] of [
  ['throws', () => assert.fail('broken')],
  ['rejects', () => Promise.reject(new Error('broken'))],
  ['fails', () => undefined],
  ['fails later', () => Promise.resolve(undefined)],
] as const) {
  test(`an exchange whose check ${name} ends, and those after it are checked`, async () => {
    const exchanges = new ExchangeExpiry()
    const first = open(exchanges, findEnd)
    const kept = open(exchanges, () => later)
    const last = open(exchanges, findEnd)

    exchanges.endUnproved()
    await Promise.all([once(first, 'close'), once(last, 'close')])
    assert.equal(kept.destroyed, false)
  })
}

test('many exchanges are checked in turns', async () => {
  const exchanges = new ExchangeExpiry()
  let checks = 0
  const check = (): undefined => {
    checks += 1
    // Longer than a turn.
    const end = performance.now() + 5
    while (performance.now() < end);
    return undefined
  }
  const sockets = Array.from({ length: 5 }, () => open(exchanges, check))

  exchanges.endUnproved()
  assert.equal(checks, 1)
  await Promise.all(sockets.map((socket) => once(socket, 'close')))
  assert.equal(checks, 5)
})
