import assert from 'node:assert/strict'
import { once } from 'node:events'
import { ClientRequest, createServer, get } from 'node:http'
import { Agent, get as getSecurely } from 'node:https'
import { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createAuthority } from '@countersign/testkit'
import {
  addToTotalSockets,
  callAgent,
  failRequest,
  findResponse,
} from '../../packages/client/src/https/node-internals.ts'
import { changed } from '../support/private-member.ts'
import { LoopbackServer } from './loopback-server.ts'

/*
 * The undocumented members of Node that the agent reads, overrides and calls. A test that fails here says which member
 * changed.
 */

const internals = 'client/src/https/node-internals.ts'
const overrides = 'client/src/https/counting-agent.ts'

const authority = await createAuthority('saas.example')
const svid = await authority.issue('spiffe://saas.example/ns/production/sa/billing')

test('Node calls addRequest of an agent for each request, and createSocket for each connection', async (context) => {
  const server = await LoopbackServer.start(context, svid)
  const called: string[] = []
  class Recorder extends Agent {
    addRequest(...given: readonly unknown[]): void {
      called.push(`addRequest ${describe(given)}`)
      callAgent('addRequest', this, given)
    }
    createSocket(...given: readonly unknown[]): void {
      called.push(`createSocket ${describe(given)}`)
      callAgent('createSocket', this, given)
    }
  }
  const agent = new Recorder({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  context.after(() => agent.destroy())
  for (let index = 0; index < 2; index += 1) {
    await new Promise<void>((resolve) => {
      getSecurely(server.url, { agent }, (response) => response.on('end', resolve).resume())
    })
    // The connection is free one turn later.
    await new Promise(setImmediate)
  }
  const expected = [
    'addRequest ClientRequest Object',
    'createSocket ClientRequest Object Function',
    'addRequest ClientRequest Object',
  ]
  assert.deepEqual(called, expected, changed('Agent#addRequest or Agent#createSocket', overrides))
})

test('an agent counts its connections in totalSocketCount and lists them in sockets', async (context) => {
  const server = await LoopbackServer.start(context, svid)
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  context.after(() => agent.destroy())
  const count = (): unknown => Reflect.get(agent, 'totalSocketCount')
  assert.equal(count(), 0, changed('Agent#totalSocketCount', internals))
  const request = getSecurely(server.url, { agent })
  await once(request, 'response')
  assert.equal(count(), 1, changed('Agent#totalSocketCount', internals))
  addToTotalSockets(agent, 1)
  assert.equal(count(), 2, changed('Agent#totalSocketCount', internals))
  addToTotalSockets(agent, -1)

  const name = agent.getName({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
  assert.deepEqual(Object.keys(agent.sockets), [name], changed('Agent#sockets', overrides))
  assert.equal(agent.sockets[name]?.[0], request.socket, changed('Agent#sockets', overrides))
})

test('an agent removes a connection with removeSocket and creates one for the next waiting request', (context) => {
  const made: unknown[] = []
  class Recorder extends Agent {
    createSocket(request: unknown): void {
      made.push(request)
    }
  }
  const agent = new Recorder({ maxSockets: 1 })
  context.after(() => agent.destroy())
  const options = { host: '127.0.0.1', port: 1 }
  const name = agent.getName(options)
  const [placeholder, waiting] = [new Socket(), {}]
  Reflect.set(agent.sockets, name, [placeholder])
  Reflect.set(agent.requests, name, [waiting])
  callAgent('removeSocket', agent, [placeholder, options])
  assert.deepEqual(agent.sockets[name], undefined, changed('Agent#removeSocket', overrides))
  assert.deepEqual(made, [waiting], changed('Agent#requests', overrides))
})

test('onSocket fails a request without a connection with the given error', async () => {
  const request = new ClientRequest({ host: '127.0.0.1', agent: new Silent() })
  const failure = new Error('there is no connection')
  const failed = new Promise((resolve) => request.on('error', resolve))
  failRequest(request, failure)
  const error = await Promise.race([failed, wait(5000, undefined, { ref: false })])
  assert.equal(error, failure, changed('ClientRequest#onSocket', internals))
})

test('finds the response in progress from its socket', async (context) => {
  const port = await servePlain(context)
  const request = get({ host: '127.0.0.1', port })
  const response = await new Promise((resolve) => request.on('response', resolve))
  assert.ok(request.socket instanceof Socket)
  const message = changed('Socket#_httpMessage or ClientRequest#res', internals)
  assert.equal(findResponse(request.socket), response, message)
  request.destroy()
})

/** Never creates a connection. */
class Silent extends Agent {
  readonly protocol = 'http:'
  addRequest(): void {
    // The request is waiting.
  }
}

/** Sends a response that does not end. */
async function servePlain(context: TestContext): Promise<number> {
  const server = createServer((_request, response) => void response.write('the first half'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function describe(given: readonly unknown[]): string {
  return given.map((value) => (typeof value === 'function' ? 'Function' : nameOf(value))).join(' ')
}

function nameOf(value: unknown): string {
  return value instanceof ClientRequest ? 'ClientRequest' : typeof value === 'object' ? 'Object' : typeof value
}
