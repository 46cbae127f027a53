import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { frameMessage, loadWorkloadService, type WorkloadService } from '@countersign/workload-api/wire'
import { WorkloadStub } from '../../packages/workload-api/src/wire/workload-stub.ts'

export const service: WorkloadService = loadWorkloadService()
export const head: Readonly<Record<string, string | number>> = { ':status': 200, 'content-type': 'application/grpc' }
export const answer: Buffer = frameMessage(
  service.FetchJWTSVID.responseSerialize({ svids: [{ spiffe_id: 'a', svid: 'b', hint: '' }] }),
)
export const request: object = { audience: ['billing'], spiffe_id: '' }

export type Behaviour = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, cut: () => void) => void

export async function listen(context: TestContext, behave: Behaviour): Promise<number> {
  const sockets = new Set<Socket>()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer()
  server.on('connection', (socket: Socket) => void sockets.add(socket))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    stream.resume().on('end', () => behave(stream, headers, cut))
  })
  context.after(() => {
    server.close()
    cut()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

export function createStub(context: TestContext, port: number): WorkloadStub {
  const stub = new WorkloadStub({ transport: 'tcp', host: '127.0.0.1', port }, service)
  context.after(() => stub.close())
  return stub
}

export async function callAgent(context: TestContext, behave: Behaviour): Promise<unknown> {
  return createStub(context, await listen(context, behave)).call('FetchJWTSVID', request, 10_000)
}

export function finish(
  stream: ServerHttp2Stream,
  bytes: Buffer,
  trailers: Record<string, string> = { 'grpc-status': '0' },
): void {
  stream.respond(head, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(bytes)
}
