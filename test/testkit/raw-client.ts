import { once } from 'node:events'
import type { TestContext } from 'node:test'
import type { Agent } from '@countersign/testkit/workload-api'
import type { WorkloadMethod } from '@countersign/workload-api/wire'
import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { loadReferenceService } from '../workload-api/reference-service.ts'

/** The status with which a call ended. */
interface Ending {
  readonly code: string
}

/** A stream whose messages are read one by one. */
export interface RawStream<Message> {
  /** The next message; rejects with an `Ending` if the call ends first. */
  next(): Promise<Message>
}

export interface X509SvidResponse {
  readonly svids: readonly {
    readonly spiffe_id: string
    readonly x509_svid: Buffer
    readonly x509_svid_key: Buffer
    readonly bundle: Buffer
    readonly hint: string
  }[]
  readonly crl: readonly Buffer[]
  readonly federated_bundles: Readonly<Record<string, Buffer>>
}

export interface BundlesResponse {
  /** For X.509 bundles only. */
  readonly crl?: readonly Buffer[]
  readonly bundles: Readonly<Record<string, Buffer>>
}

export interface JwtSvidResponse {
  readonly svids: readonly { readonly spiffe_id: string; readonly svid: string; readonly hint: string }[]
}

export interface ValidationResponse {
  readonly spiffe_id: string
  readonly claims: { readonly fields: Readonly<Record<string, object>> } | null
}

/** A client built on another implementation of gRPC and protobuf, without any SPIFFE library. */
export class RawClient {
  readonly #client: Client
  readonly #metadata = new Metadata()
  readonly #service = loadReferenceService()

  constructor(context: TestContext, { endpoint }: Agent, hasHeader: boolean = true) {
    if (hasHeader) this.#metadata.set('workload.spiffe.io', 'true')
    const target = endpoint.replace('unix://', 'unix:').replace('tcp://', 'ipv4:')
    this.#client = new Client(target, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.use_local_subchannel_pool': 1,
    })
    context.after(() => this.#client.close())
  }

  x509Svids(): RawStream<X509SvidResponse> {
    return this.#watch('FetchX509SVID')
  }

  x509Bundles(): RawStream<BundlesResponse> {
    return this.#watch('FetchX509Bundles')
  }

  jwtBundles(): RawStream<BundlesResponse> {
    return this.#watch('FetchJWTBundles')
  }

  jwtSvids(audience: readonly string[], spiffeId: string = ''): Promise<JwtSvidResponse> {
    return this.#call('FetchJWTSVID', { audience, spiffe_id: spiffeId })
  }

  validate(audience: string, svid: string): Promise<ValidationResponse> {
    return this.#call('ValidateJWTSVID', { audience, svid })
  }

  #watch<Message>(name: WorkloadMethod): RawStream<Message> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(this.#service, name)
    const call: ClientReadableStream<Message> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      this.#metadata,
    )
    const messages: Message[] = []
    const ended = new Promise<Ending>((resolve) => {
      call.on('error', (error: ServiceError) => resolve({ code: nameOf(error) }))
      call.on('end', () => resolve({ code: 'OK' }))
    })
    call.on('data', (message: Message) => messages.push(message))
    return {
      next: async () => {
        const [first] = messages
        if (first === undefined) {
          const ending = await Promise.race([once(call, 'data'), ended])
          // Messages that arrived before the end are delivered before it.
          if ('code' in ending && messages.length === 0) throw new EndedError(ending.code)
        }
        const message = messages.shift()
        if (message === undefined) throw new EndedError('OK')
        return message
      },
    }
  }

  #call<Message>(name: WorkloadMethod, request: object): Promise<Message> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(this.#service, name)
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, Message>(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        (error, message) => {
          if (message !== undefined) resolve(message)
          else reject(new EndedError(error === null ? 'OK' : nameOf(error)))
        },
      )
    })
  }
}

/** Thrown instead of a message. */
class EndedError extends Error implements Ending {
  readonly code: string

  constructor(code: string) {
    super(`the call ended with ${code}`)
    this.code = code
  }
}

function nameOf({ code }: ServiceError): string {
  return status[code]
}

function definitionOf(service: ServiceDefinition, name: WorkloadMethod): NonNullable<ServiceDefinition[string]> {
  const definition = service[name]
  if (definition === undefined) throw new TypeError(`found no ${name}, expected it in the definition`)
  return definition
}
