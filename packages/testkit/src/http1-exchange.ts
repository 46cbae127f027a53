import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import type { ConnectionOptions } from 'node:tls'
import { createResponse, type Exchange, type FetchInit } from './exchange.ts'

/** Sends requests over HTTP/1.1, one after another on one connection that is kept alive. */
export function createHttp1Exchange(tls: ConnectionOptions): Exchange {
  // Without a session cache, every new connection is a full handshake that presents the certificate.
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 1, maxCachedSessions: 0 })
  return {
    send: (target, init) => send(agent, tls, target, init),
    close: () => {
      agent.destroy()
    },
  }
}

function send(agent: Agent, tls: ConnectionOptions, path: string, init: FetchInit): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal } = init
  return new Promise((resolve, reject) => {
    const options = { agent, host: tls.host, port: tls.port, path, method, headers, ...(signal && { signal }) }
    const outgoing = request(options, (message) => {
      readResponse(message).then(resolve, reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function readResponse(message: IncomingMessage): Promise<Response> {
  const body = await buffer(message)
  const headers = new Headers()
  for (let index = 0; index < message.rawHeaders.length; index += 2) {
    headers.append(message.rawHeaders[index] ?? '', message.rawHeaders[index + 1] ?? '')
  }
  return createResponse(message.statusCode ?? 0, headers, body)
}
