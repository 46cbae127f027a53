import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import type { ConnectionOptions } from 'node:tls'
import { createResponse, type Exchange, type FetchInit } from './exchange.ts'

/** Sends requests over HTTP/2, as streams of one session. If the server closes the session, a new one is opened. */
export function createHttp2Exchange(url: string, tls: ConnectionOptions): Exchange {
  const failures = new WeakMap<ClientHttp2Session, Error>()
  let current: ClientHttp2Session | undefined
  const open = (): ClientHttp2Session => {
    const session = connect(url, { ...tls, ALPNProtocols: ['h2'] })
    return session.on('error', (error: Error) => failures.set(session, error))
  }
  return {
    send: async (target, init) => {
      if (current === undefined || current.closed || current.destroyed) current = open()
      const session = current
      try {
        return await send(session, target, init)
      } catch (error) {
        // A stream only reports that it was cancelled; the session has the reason for the close.
        throw failures.get(session) ?? error
      }
    },
    close: () => {
      current?.destroy()
    },
  }
}

function send(session: ClientHttp2Session, path: string, init: FetchInit): Promise<Response> {
  const { method = 'GET', headers = {}, body, signal } = init
  return new Promise((resolve, reject) => {
    const stream = session.request({ ...headers, ':method': method, ':path': path }, signal && { signal })
    const chunks: Buffer[] = []
    let received: IncomingHttpHeaders = {}
    stream.on('response', (fields) => {
      received = fields
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => {
      const status = received[':status']
      if (status === undefined || !stream.readableEnded) {
        reject(new Error('the connection closed before the response was complete'))
        return
      }
      resolve(createResponse(Number(status), toHeaders(received), Buffer.concat(chunks)))
    })
    stream.end(body)
  })
}

function toHeaders(fields: IncomingHttpHeaders): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith(':') || value === undefined) continue
    for (const entry of typeof value === 'string' ? [value] : value) headers.append(name, entry)
  }
  return headers
}
