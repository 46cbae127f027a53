import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2, type Http2ServerRequest, type OutgoingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { connect as connectTls, type Server } from 'node:tls'
import { createAuthority } from '@countersign/testkit'
import { identityHeaders } from '../../packages/core/src/credential/forwarded/identity-headers.ts'
import { stripHeaders } from '../../packages/core/src/credential/forwarded/strip-headers.ts'

const authority = await createAuthority('saas.example')
const own = await authority.issue('spiffe://saas.example/ns/production/sa/billing')

/** The TLS options of a server. */
export const identity = { key: own.keyPem, cert: own.certificatePem }

export const names: ReadonlySet<string> = new Set([...identityHeaders, 'x-chosen'])

export type ServerRequest = IncomingMessage | Http2ServerRequest

/** What a handler read, as far as its test asks for it. */
export interface Seen {
  readonly headers: Readonly<Record<string, unknown>>
  readonly headersDistinct: Readonly<Record<string, unknown>>
  readonly rawHeaders: readonly string[]
  readonly trailers: Readonly<Record<string, unknown>>
  readonly rawTrailers: readonly string[]
  readonly body: unknown
}

/** Starts a server on which the headers are removed first, and whose answer is what `handle` returns. */
export async function listen(
  t: TestContext,
  server: Server,
  handle: (request: ServerRequest) => unknown,
): Promise<number> {
  server.on('request', (request: ServerRequest, response: ServerResponse) => {
    stripHeaders(request, names)
    void Promise.resolve(handle(request)).then((view) => response.end(JSON.stringify(view)))
  })
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return (address satisfies AddressInfo).port
}

export function viewHeaders(request: ServerRequest) {
  const headersDistinct = 'headersDistinct' in request ? request.headersDistinct : undefined
  return { headers: request.headers, headersDistinct, rawHeaders: request.rawHeaders }
}

export function distinctTrailers(request: ServerRequest) {
  return 'trailersDistinct' in request ? { trailersDistinct: request.trailersDistinct } : {}
}

export async function readBody(request: ServerRequest): Promise<string> {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}

/** Sends lines over TLS as they are, and returns the JSON of the answer. */
export async function exchange(port: number, lines: readonly string[]): Promise<Seen> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: authority.bundlePem, checkServerIdentity: () => undefined })
  socket.write([...lines, '', ''].join('\r\n'))
  let answer = ''
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk
  return parseAnswer(answer)
}

export function parseAnswer(answer: string): Seen {
  const seen: unknown = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))
  assert.ok(isSeen(seen))
  return seen
}

function isSeen(value: unknown): value is Seen {
  return typeof value === 'object' && value !== null
}

/** Sends a request with trailers, or without a body. */
export async function exchangeHttp2(
  port: number,
  headers: OutgoingHttpHeaders,
  trailers?: OutgoingHttpHeaders,
): Promise<Seen> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    ca: authority.bundlePem,
    checkServerIdentity: () => undefined,
  })
  const stream = session.request(headers, {
    endStream: trailers === undefined,
    waitForTrailers: trailers !== undefined,
  })
  if (trailers !== undefined) {
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end('abc')
  }
  let answer = ''
  for await (const chunk of stream.setEncoding('utf8')) answer += chunk
  session.close()
  return parseAnswer(answer)
}
