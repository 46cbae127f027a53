import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { IdleConnections } from '../../packages/core/src/probe-connections.ts'

function createSocket(remoteAddress: string): Socket {
  return Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress })
}

function fill(silent: IdleConnections, count: number, address: (index: number) => string): readonly Socket[] {
  return Array.from({ length: count }, (_, index) => {
    const socket = createSocket(address(index))
    silent.add(socket)
    return socket
  })
}

const indicesOf = (sockets: readonly Socket[]): readonly number[] =>
  sockets.flatMap(({ destroyed }, index) => (destroyed ? [index] : []))

test('beyond 1,024 new connections closes the oldest one of the client with the most, immediately', () => {
  const silent = new IdleConnections()
  const few = fill(silent, 400, () => '192.0.2.1')
  const many = fill(silent, 624, () => '192.0.2.2')
  assert.deepEqual([indicesOf(few), indicesOf(many)], [[], []])
  fill(silent, 2, () => '192.0.2.3')
  assert.deepEqual([indicesOf(few), indicesOf(many)], [[], [0, 1]])
})

test('closes the first of many clients with one connection each', () => {
  const silent = new IdleConnections()
  const sockets = fill(silent, 1026, (index) => `192.0.${index >> 8}.${index & 255}`)
  assert.deepEqual(indicesOf(sockets), [0, 1])
})

test('ignores connections that have sent a request or closed', () => {
  const silent = new IdleConnections()
  const asked = fill(silent, 500, () => '192.0.2.1')
  for (const socket of asked) silent.release(socket)
  const closed = fill(silent, 500, () => '192.0.2.1')
  for (const socket of closed) socket.emit('close')
  // For a connection that sent a request and then closed.
  for (const socket of asked) socket.emit('close')
  const sockets = fill(silent, 1025, () => '192.0.2.1')
  assert.deepEqual([indicesOf(asked), indicesOf(closed), indicesOf(sockets)], [[], [], [0]])
})

test('treats the addresses of one IPv6 network as one client', () => {
  const silent = new IdleConnections()
  const own = fill(silent, 300, () => '2001:db8:0:2::1')
  const network = fill(silent, 725, (index) => `2001:db8:0:1::${index.toString(16)}`)
  assert.deepEqual([indicesOf(own), indicesOf(network)], [[], [0]])
})

test('keeps at most 64 connections longer than a moment', { timeout: 10_000 }, async ({ signal }) => {
  const silent = new IdleConnections()
  const sockets = fill(silent, 100, () => '192.0.2.1')
  assert.deepEqual(indicesOf(sockets), [])
  // On a busy machine, those that came last are closed a moment later.
  while (!signal.aborted && indicesOf(sockets).length < 36) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.deepEqual(
    indicesOf(sockets),
    Array.from({ length: 36 }, (_, index) => index),
  )
})

test(
  'closes the excess connections of the client with the most, even if others have older ones',
  { timeout: 10_000 },
  async ({ signal }) => {
    const silent = new IdleConnections()
    const other = fill(silent, 1, () => '192.0.2.2')
    const early = fill(silent, 64, () => '192.0.2.1')
    await new Promise((resolve) => setTimeout(resolve, 50))
    const late = fill(silent, 86, () => '192.0.2.1')
    const most = [...early, ...late]
    while (!signal.aborted && indicesOf(most).length < 87) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.deepEqual(indicesOf(other), [])
  },
)
