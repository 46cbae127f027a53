import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import {
  encodeDetails,
  frameMessage,
  FrameReader,
  numberOfStatus,
  type WireMethod,
  type WorkloadMethod,
  type WorkloadService,
} from '@countersign/workload-api/wire'
import type { AgentAddress } from './agent-address.ts'
import { ConnectionListener } from './connection-listener.ts'
import { type CallWire, OpenCall, type WorkloadRequest } from './open-call.ts'

/** Serves the Workload API over gRPC; `onCall` supplies the answers. */
export class WorkloadServer {
  readonly #server = createServer()
  readonly #listener: ConnectionListener
  readonly #methods: ReadonlyMap<string, readonly [name: WorkloadMethod, method: WireMethod]>
  readonly #open = new Set<OpenCall>()
  readonly #onCall: (call: OpenCall) => void

  /** `onCall` is called for every call, and answers it through `deliver`. */
  constructor(service: WorkloadService, onCall: (call: OpenCall) => void) {
    this.#onCall = onCall
    this.#methods = new Map(listMethods(service).map((entry) => [entry[1].path, entry]))
    this.#server.on('stream', (stream, headers) => void this.#accept(stream, headers))
    this.#listener = new ConnectionListener((socket) => this.#server.emit('connection', socket))
  }

  /** The streams that wait for their next message. */
  get streams(): readonly OpenCall[] {
    return [...this.#open].filter((call) => call.facts.isStream)
  }

  /**
   * Starts to listen. Returns the address with the actual port.
   *
   * @throws {ConfigurationError} `option_invalid` if the address is taken or not available
   */
  listen(address: AgentAddress): Promise<AgentAddress> {
    return this.#listener.listen(address)
  }

  /** Cuts every connection, as an agent that crashes does, and removes the socket. */
  async close(): Promise<void> {
    for (const call of this.#open) call.drop()
    await this.#listener.close()
  }

  async #accept(stream: ServerHttp2Stream, { ':path': path = '', [header]: mark }: IncomingHttpHeaders): Promise<void> {
    // A caller that aborts its call is not our error.
    stream.on('error', () => undefined)
    const found = this.#methods.get(path)
    if (found === undefined) {
      createWire(stream, undefined).refuse('UNIMPLEMENTED', `the method ${path} is not known`)
      return
    }
    const [name, method] = found
    const wire = createWire(stream, method)
    const request = await readRequest(stream, method)
    if (request === undefined) {
      wire.refuse('INTERNAL', 'found a request that cannot be read')
      return
    }
    const facts = { method: name, request, hasHeader: mark === 'true', isStream: method.responseStream }
    const open = new OpenCall(facts, wire)
    this.#open.add(open)
    open.onOver(() => this.#open.delete(open))
    if (stream.closed) open.drop()
    stream.on('close', () => open.drop())
    this.#onCall(open)
  }
}

const header = 'workload.spiffe.io'

function listMethods(service: WorkloadService): readonly (readonly [name: WorkloadMethod, method: WireMethod])[] {
  const { FetchX509SVID, FetchX509Bundles, FetchJWTSVID, FetchJWTBundles, ValidateJWTSVID } = service
  return [
    ['FetchX509SVID', FetchX509SVID],
    ['FetchX509Bundles', FetchX509Bundles],
    ['FetchJWTSVID', FetchJWTSVID],
    ['FetchJWTBundles', FetchJWTBundles],
    ['ValidateJWTSVID', ValidateJWTSVID],
  ]
}

async function readRequest(stream: ServerHttp2Stream, method: WireMethod): Promise<WorkloadRequest | undefined> {
  const reader = new FrameReader(1024 * 1024)
  const messages: Buffer[] = []
  try {
    for await (const chunk of stream) {
      const found = Buffer.isBuffer(chunk) ? reader.push(chunk) : 'compressed'
      if (typeof found === 'string') return undefined
      messages.push(...found)
    }
    const [message] = messages
    return message === undefined ? undefined : method.requestDeserialize(message)
  } catch {
    return undefined
  }
}

// Buffers are sent unchanged, so that a fault can send an invalid message.
function createWire(stream: ServerHttp2Stream, method: WireMethod | undefined): CallWire {
  let status: Record<string, string> = { 'grpc-status': '0' }
  const head = { ':status': 200, 'content-type': 'application/grpc' }
  const begin = (): void => {
    if (stream.headersSent || stream.destroyed) return
    stream.respond(head, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(status))
  }
  const end = (): void => {
    begin()
    stream.end()
  }
  return {
    write: (message) => {
      begin()
      const bytes = Buffer.isBuffer(message) ? message : (method?.responseSerialize(message) ?? Buffer.alloc(0))
      stream.write(frameMessage(bytes))
      if (method?.responseStream === false) end()
    },
    end,
    refuse: (code, details) => {
      if (stream.destroyed) return
      status = { 'grpc-status': String(numberOfStatus(code)), 'grpc-message': encodeDetails(details) }
      if (stream.headersSent) stream.end()
      else stream.respond({ ...head, ...status }, { endStream: true })
    },
  }
}
