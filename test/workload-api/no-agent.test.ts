import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { AgentError, createWorkloadApiClient, workloadApiSource } from '@countersign/workload-api'
import { nextNotice } from './waiting.ts'

const timeoutMs = 1000

test('names a missing socket, with the gRPC status and what to check', async (context) => {
  const endpoint = `unix://${createFolder(context)}/agent.sock`
  await assert.rejects(workloadApiSource({ endpoint, timeoutMs }), (error) => {
    assert.ok(error instanceof Error && 'code' in error && error.cause instanceof AgentError)
    assert.deepEqual(
      [error.code, error.cause.grpcCode, error.cause.endpoint],
      ['agent_unreachable', 'UNAVAILABLE', endpoint],
    )
    for (const part of [`${timeoutMs} ms`, endpoint, 'UNAVAILABLE', 'ENOENT', 'is the agent running']) {
      assert.ok(error.message.includes(part), `found no '${part}' in: ${error.message}`)
    }
    return true
  })
})

test('a file that is not a socket is an unreachable agent', async (context) => {
  const file = join(createFolder(context), 'agent.sock')
  writeFileSync(file, '')
  await expectUnreachable(`unix://${file}`)
})

test('a path too long for a socket is an unreachable agent', async (context) => {
  const endpoint = `unix://${createFolder(context)}/${'long'.repeat(40)}/agent.sock`
  await expectUnreachable(endpoint)
})

test('a port without a listener is an unreachable agent', async (context) => {
  const server = createServer()
  const endpoint = await listen(context, server)
  await new Promise((resolve) => server.close(resolve))
  await expectUnreachable(endpoint)
  await assert.rejects(createWorkloadApiClient({ endpoint, timeoutMs }).fetchX509Bundles(), {
    code: 'agent_unreachable',
    grpcCode: 'UNAVAILABLE',
  })
})

test('names a listener that never responds when the time is up', async (context) => {
  const endpoint = await listen(context, createServer())
  await assert.rejects(workloadApiSource({ endpoint, timeoutMs }), (error) => {
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, 'agent_unreachable')
    assert.ok(error.message.includes(endpoint))
    return true
  })
})

test('each call to a listener that never responds ends with its timeout', async (context) => {
  const endpoint = await listen(context, createServer())
  const client = createWorkloadApiClient({ endpoint, timeoutMs: 100 })
  const refusal = { name: 'AgentError', code: 'agent_unreachable', grpcCode: 'DEADLINE_EXCEEDED', endpoint }
  await assert.rejects(client.fetchX509Svids(), refusal)
  await assert.rejects(client.fetchX509Bundles(), refusal)
  await assert.rejects(client.fetchJwtBundles(), refusal)
  await assert.rejects(client.fetchJwtSvid({ audience: ['billing'] }), refusal)
  await assert.rejects(client.validateJwtSvid({ audience: 'billing', token: 'a.b.c' }), refusal)
})

test('E-1: does not accept a server that speaks HTTP/1 as an agent', async (context) => {
  const server = createHttpServer((_request, response) => response.end('hello'))
  const endpoint = await listen(context, server)
  await assert.rejects(createWorkloadApiClient({ endpoint, timeoutMs }).fetchX509Svids(), AgentError)
})

test('a source that may start without an SVID is ready immediately and reports why it is empty', async (context) => {
  const endpoint = `unix://${createFolder(context)}/agent.sock`
  await using source = await workloadApiSource({ endpoint, startWithoutSvid: true })
  assert.throws(() => source.current, { code: 'source_empty' })
  const { outcome, code } = await nextNotice(source)
  assert.deepEqual([outcome, code], ['warning', 'agent_unreachable'])
  await source.close()
  assert.throws(() => source.current, { code: 'source_closed' })
})

async function expectUnreachable(endpoint: string): Promise<void> {
  await using source = await workloadApiSource({ endpoint, startWithoutSvid: true })
  const { outcome, code, detail } = await nextNotice(source)
  assert.deepEqual([outcome, code], ['warning', 'agent_unreachable'])
  assert.ok(detail.includes(endpoint))
}

function createFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-agent-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function listen(context: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  context.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return `tcp://127.0.0.1:${address.port}`
}
