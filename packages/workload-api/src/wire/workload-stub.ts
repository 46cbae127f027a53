import { connect, type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2'
import { connect as connectSocket, type Socket } from 'node:net'
import { type EndpointAddress, formatEndpoint } from '../endpoint/endpoint-address.ts'
import { AgentError } from './agent-error.ts'
import { createHeaders, followCall } from './grpc-call.ts'
import { frameMessage } from './grpc-frames.ts'
import type { CallStatus } from './grpc-status.ts'
import type { WorkloadMethod, WorkloadService } from './service.ts'

/** The callbacks of a stream. `end` or `fail` is the last call. */
export interface StreamListener {
  readonly message: (value: unknown) => void
  /** The agent ended the stream without an error. */
  readonly end: () => void
  readonly fail: (error: AgentError) => void
}

/** The maximum size of a message: enough for a bundle of several thousand authorities. */
const maxMessageBytes = 16 * 1024 * 1024

/**
 * Milliseconds. Detects a frozen agent. gRPC servers close connections that ping more often than every five minutes.
 */
const keepaliveInterval = 310_000
const keepaliveTimeout = 20_000

/**
 * Calls one agent: gRPC over HTTP/2, on one connection and without retries. All responses are `unknown` until they are
 * parsed.
 */
export class WorkloadStub {
  readonly #address: EndpointAddress
  readonly #service: WorkloadService
  readonly #session: ClientHttp2Session
  readonly #keepalive: NodeJS.Timeout
  /** The error that ended the connection. */
  #failure: Error | undefined
  #calls = 0
  #isClosed = false

  constructor(address: EndpointAddress, service: WorkloadService) {
    this.#address = address
    this.#service = service
    // Only Node uses this URL: its scheme means no TLS.
    this.#session = connect('http://localhost', { createConnection: () => openSocket(address) })
    this.#session.on('error', (error: Error) => (this.#failure ??= error))
    this.#keepalive = setInterval(() => this.#ping(), keepaliveInterval).unref()
    this.#session.once('close', () => clearInterval(this.#keepalive))
  }

  /**
   * Opens a stream. Returns a function that cancels it without further callbacks.
   *
   * @param timeoutMs default no timeout
   */
  watch(name: WorkloadMethod, request: object, listener: StreamListener, timeoutMs?: number): () => void {
    return this.#open(name, request, timeoutMs, {
      message: listener.message,
      over: (status) => (status.code === 'OK' ? listener.end() : listener.fail(this.#explain(name, status))),
    })
  }

  /**
   * Calls a method with a single response.
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

  /** Closes the connection, after its calls have finished. */
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
      // The connection had already failed. Reported later, so that the caller first receives the function that cancels
      // the call.
      const cause = this.#failure ?? error
      const details = cause instanceof Error ? cause.message : 'the connection was closed'
      setImmediate(() => over({ code: 'UNAVAILABLE', details }))
    }
    return () => void end()
  }

  // Every loss of the connection has the same status, which makes the caller connect again.
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
