import type { WorkloadMethod, WorkloadService } from '@countersign/workload-api/wire'
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { AgentAddress } from './agent-address.ts'
import { ConnectionListener } from './connection-listener.ts'
import { type CallWire, OpenCall, type WorkloadRequest } from './open-call.ts'

/** Serves the Workload API over gRPC and knows nothing of what it answers. */
export class WorkloadServer {
  readonly #server = new Server()
  readonly #listener: ConnectionListener
  readonly #open = new Set<OpenCall>()
  readonly #onCall: (call: OpenCall) => void

  /** Called for every call, which is answered through its `deliver`. */
  constructor(service: WorkloadService, onCall: (call: OpenCall) => void) {
    this.#onCall = onCall
    this.#server.addService(letBytesPass(service), this.#createImplementation())
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
    this.#listener = new ConnectionListener((socket) => injector.injectConnection(socket))
  }

  /** The streams that wait for their next message. */
  get streams(): readonly OpenCall[] {
    return [...this.#open].filter((call) => call.facts.isStream)
  }

  /**
   * Begins to listen; gives the address with the port that it got.
   *
   * @throws {ConfigurationError} `option_invalid` for an address that is taken or cannot be listened at
   */
  listen(address: AgentAddress): Promise<AgentAddress> {
    return this.#listener.listen(address)
  }

  /** Cuts every connection and removes the socket. */
  async close(): Promise<void> {
    for (const call of this.#open) call.drop()
    // First, because the library would tell callers that their calls were cancelled, which no agent that dies does.
    await this.#listener.close()
    this.#server.forceShutdown()
  }

  #createImplementation(): UntypedServiceImplementation {
    const stream =
      (method: WorkloadMethod) =>
      (call: ServerWritableStream<WorkloadRequest, object>): void =>
        this.#accept(method, true, call, createStreamWire(call))
    const unary =
      (method: WorkloadMethod) =>
      (call: ServerUnaryCall<WorkloadRequest, object>, callback: sendUnaryData<object>): void =>
        this.#accept(method, false, call, createUnaryWire(callback))
    return {
      FetchX509SVID: stream('FetchX509SVID'),
      FetchX509Bundles: stream('FetchX509Bundles'),
      FetchJWTSVID: unary('FetchJWTSVID'),
      FetchJWTBundles: stream('FetchJWTBundles'),
      ValidateJWTSVID: unary('ValidateJWTSVID'),
    }
  }

  #accept(method: WorkloadMethod, isStream: boolean, call: IncomingCall, wire: CallWire): void {
    const hasHeader = call.metadata.get(header).includes('true')
    const open = new OpenCall({ method, request: call.request, hasHeader, isStream }, wire)
    this.#open.add(open)
    open.onOver(() => this.#open.delete(open))
    call.on('cancelled', () => open.drop())
    this.#onCall(open)
  }
}

type IncomingCall = ServerWritableStream<WorkloadRequest, object> | ServerUnaryCall<WorkloadRequest, object>

const header = 'workload.spiffe.io'

// Bytes pass as they are, so that a fault can send what no message is.
function letBytesPass(service: WorkloadService): WorkloadService {
  const entries = Object.entries(service).map(([name, definition]): [string, typeof definition] => [
    name,
    {
      ...definition,
      responseSerialize: (value: object): Buffer =>
        Buffer.isBuffer(value) ? value : definition.responseSerialize(value),
    },
  ])
  return Object.fromEntries(entries)
}

function createStreamWire(call: ServerWritableStream<WorkloadRequest, object>): CallWire {
  return {
    write: (message) => call.write(message),
    end: () => call.end(),
    refuse: (code, details) => call.emit('error', { code: status[code], details }),
  }
}

function createUnaryWire(callback: sendUnaryData<object>): CallWire {
  return {
    write: (message) => callback(null, message),
    end: () => callback({ code: status.UNKNOWN, details: 'the call ended without a message' }),
    refuse: (code, details) => callback({ code: status[code], details }),
  }
}
