import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { type EndpointAddress, formatEndpoint } from '../endpoint/endpoint-address.ts'
import { AgentError } from './agent-error.ts'
import { methodOf, type WorkloadMethod, type WorkloadService } from './service.ts'

/** What a stream tells; after `end` or `fail` it is over. */
export interface StreamListener {
  readonly message: (value: unknown) => void
  /** The agent ended it without an error. */
  readonly end: () => void
  readonly fail: (error: AgentError) => void
}

/** The longest message: a bundle of some thousand authorities. */
const maxMessageBytes = 16 * 1024 * 1024

/** Speaks to one agent over gRPC; everything that comes back is `unknown` until it is parsed. */
export class WorkloadStub {
  readonly #address: EndpointAddress
  readonly #service: WorkloadService
  readonly #client: Client

  constructor(address: EndpointAddress, service: WorkloadService) {
    this.#address = address
    this.#service = service
    this.#client = new Client(toTarget(address), credentials.createInsecure(), {
      // On a Unix socket the authority would be its path, which HTTP/2 libraries refuse.
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.enable_retries': 0,
      // A proxy of the environment has no business between a workload and the agent beside it.
      'grpc.enable_http_proxy': 0,
      // Each stub is one attempt: what another one found must not keep this one from connecting.
      'grpc.use_local_subchannel_pool': 1,
      // A frozen agent is noticed; servers punish whoever asks more often than each five minutes.
      'grpc.keepalive_time_ms': 310_000,
      'grpc.keepalive_timeout_ms': 20_000,
      'grpc.service_config_disable_resolution': 1,
    })
  }

  /** Opens a stream, for `timeoutMs` if that is given; gives the function that ends it without a further word. */
  watch(name: WorkloadMethod, request: object, listener: StreamListener, timeoutMs?: number): () => void {
    const { path, requestSerialize, responseDeserialize } = methodOf(this.#service, name)
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      createHeader(),
      timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
    )
    let isOver = false
    const once = (tell: () => void): void => {
      if (isOver) return
      isOver = true
      tell()
    }
    call.on('data', (value: unknown) => {
      if (!isOver) listener.message(value)
    })
    call.on('error', (error: ServiceError) => once(() => listener.fail(this.#explain(name, error))))
    call.on('end', () => once(() => listener.end()))
    return () => once(() => call.cancel())
  }

  /**
   * Calls a method that answers once.
   *
   * @throws {AgentError}
   */
  call(name: WorkloadMethod, request: object, timeoutMs: number): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = methodOf(this.#service, name)
    const deadline = Date.now() + timeoutMs
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        createHeader(),
        { deadline },
        (error, value) => (error ? reject(this.#explain(name, error)) : resolve(value)),
      )
    })
  }

  close(): void {
    this.#client.close()
  }

  #explain(name: WorkloadMethod, { code, details }: ServiceError): AgentError {
    return new AgentError({
      method: name,
      code: status[code] ?? `status ${String(code)}`,
      details,
      endpoint: formatEndpoint(this.#address),
    })
  }
}

// SPIFFE Workload Endpoint §3: it shows that the caller means this API, and no browser can be made to send it.
function createHeader(): Metadata {
  const metadata = new Metadata()
  metadata.set('workload.spiffe.io', 'true')
  return metadata
}

function toTarget(address: EndpointAddress): string {
  if (address.transport === 'unix') return `unix:${address.path}`
  const { host, port } = address
  return host.includes(':') ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`
}
