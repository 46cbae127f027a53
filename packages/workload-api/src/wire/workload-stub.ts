import { connect, type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { type EndpointAddress, formatEndpoint } from '../endpoint/endpoint-address.ts'
import { AgentError } from './agent-error.ts'
import { createHeaders, followCall } from './grpc-call.ts'
import { frameMessage } from './grpc-frames.ts'
import type { CallStatus } from './grpc-status.ts'
import type { WorkloadMethod, WorkloadService } from './service.ts'

/** What a stream tells; after `end` or `fail` it is over. */
export interface StreamListener {
  readonly message: (value: unknown) => void
  /** The agent ended it without an error. */
  readonly end: () => void
  readonly fail: (error: AgentError) => void
}

/** The longest message: a bundle of some thousand authorities. */
const maxMessageBytes = 16 * 1024 * 1024

/** Milliseconds. A frozen agent is noticed; servers punish whoever asks more often than each five minutes. */
const keepaliveInterval = 310_000
const keepaliveTimeout = 20_000

/**
 * Speaks to one agent: gRPC over HTTP/2, on one connection and without a retry. Everything that comes back is `unknown`
 * until it is parsed.
 */
export class WorkloadStub {
  readonly #address: EndpointAddress
  readonly #service: WorkloadService
  readonly #session: ClientHttp2Session
  readonly #keepalive: NodeJS.Timeout
  /** What ended the connection. */
  #failure: Error | undefined
  #calls = 0
  #isClosed = false

  constructor(address: EndpointAddress, service: WorkloadService) {
    this.#address = address
    this.#service = service
    // The URL is for Node alone: it says that there is no TLS.
    this.#session = connect('http://localhost', { createConnection: () => openSocket(address) })
    this.#session.on('error', (error: Error) => (this.#failure ??= error))
    this.#keepalive = setInterval(() => this.#ping(), keepaliveInterval).unref()
    this.#session.once('close', () => clearInterval(this.#keepalive))
  }

  /** Opens a stream, for `timeoutMs` if that is given; gives the function that ends it without a further word. */
  watch(name: WorkloadMethod, request: object, listener: StreamListener, timeoutMs?: number): () => void {
    return this.#open(name, request, timeoutMs, {
      message: listener.message,
      over: (status) => (status.code === 'OK' ? listener.end() : listener.fail(this.#explain(name, status))),
    })
  }

  /**
   * Calls a method that answers once.
   *
   * @throws {AgentError}
   */
  call(name: WorkloadMethod, request: object, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let value: unknown
      let count = 0
      this.#open(name, request, timeoutMs, {
        message: (received) => {
          value = received
          count += 1
        },
        over: (status) => {
          const wrong = { code: 'INTERNAL', details: `found ${count} messages, expected one` }
          if (status.code !== 'OK') reject(this.#explain(name, status))
          else if (count === 1) resolve(value)
          else reject(this.#explain(name, wrong))
        },
      })
    })
  }

  /** Ends the connection, or lets its calls come to their end. */
  close(): void {
    this.#isClosed = true
    if (this.#calls === 0) this.#session.destroy()
  }

  #open(name: WorkloadMethod, request: object, timeoutMs: number | undefined, listener: Listener): () => void {
    const { path, requestSerialize, responseDeserialize } = this.#service[name]
    let isOver = false
    let stream: ClientHttp2Stream | undefined
    let timer: NodeJS.Timeout | undefined
    this.#calls += 1
    const end = (): boolean => {
      if (isOver) return false
      isOver = true
      clearTimeout(timer)
      stream?.close(constants.NGHTTP2_CANCEL)
      this.#calls -= 1
      if (this.#isClosed && this.#calls === 0) this.#session.destroy()
      return true
    }
    const over = (status: CallStatus): void => {
      if (end()) listener.over(status)
    }
    const message = (bytes: Buffer): void => {
      if (isOver) return
      let value: unknown
      try {
        value = responseDeserialize(bytes)
      } catch (error) {
        over({ code: 'INTERNAL', details: `the message cannot be read: ${String(error)}` })
        return
      }
      listener.message(value)
    }
    if (timeoutMs !== undefined) {
      const details = `there was no answer within ${timeoutMs} ms`
      timer = setTimeout(() => over({ code: 'DEADLINE_EXCEEDED', details }), timeoutMs)
    }
    try {
      stream = this.#session.request(createHeaders(path, timeoutMs))
      followCall(stream, maxMessageBytes, { message, over, findLoss: (error) => this.#findLoss(error) })
      stream.end(frameMessage(requestSerialize(request)))
    } catch (error) {
      // The connection has failed before; the caller still gets the function that ends the call first.
      const cause = this.#failure ?? error
      const details = cause instanceof Error ? cause.message : 'the connection was closed'
      setImmediate(() => over({ code: 'UNAVAILABLE', details }))
    }
    return () => void end()
  }

  // Whatever keeps us from speaking to the agent is one status, by which it is looked for again.
  #findLoss(error: Error | undefined): CallStatus | undefined {
    if (!this.#session.destroyed) return undefined
    const { message } = this.#failure ?? error ?? { message: 'the agent closed the connection' }
    return { code: 'UNAVAILABLE', details: message }
  }

  #ping(): void {
    const timer = setTimeout(() => {
      this.#session.destroy(new Error(`the agent did not answer a ping within ${keepaliveTimeout} ms`))
    }, keepaliveTimeout).unref()
    const isSent = this.#session.ping(() => clearTimeout(timer))
    if (!isSent) clearTimeout(timer)
  }

  #explain(method: WorkloadMethod, { code, details }: CallStatus): AgentError {
    return new AgentError({ method, code, details, endpoint: formatEndpoint(this.#address) })
  }
}

interface Listener {
  readonly message: (value: unknown) => void
  readonly over: (status: CallStatus) => void
}

function openSocket(address: EndpointAddress): Socket {
  if (address.transport === 'unix') return connectSocket(address.path)
  return connectSocket(address.port, address.host)
}
