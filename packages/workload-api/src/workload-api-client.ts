import { ConfigurationError, SourceError, SpiffeId, type X509Bundle } from '@countersign/spiffe'
import { parseOptions } from '@countersign/spiffe/options'
import { checkMilliseconds, refuseOption } from './check-options.ts'
import { checkFetchOptions, checkJwtRequest, checkValidationRequest, checkWatcher } from './check-requests.ts'
import { type EndpointAddress, findEndpoint, formatEndpoint } from './endpoint/endpoint-address.ts'
import { type JwtSvid, readJwtSvid } from './jwt/jwt-svid.ts'
import type { AgentError } from './wire/agent-error.ts'
import { parseJwtBundles, parseJwtSvids, parseValidation } from './wire/messages.ts'
import { refuseMessage } from './wire/refuse-message.ts'
import { loadWorkloadService, type WorkloadMethod, type WorkloadService } from './wire/service.ts'
import { StreamFollower } from './wire/stream-follower.ts'
import { WorkloadStub } from './wire/workload-stub.ts'
import { groupByTrustDomain } from './x509/bundle-updates.ts'
import { createBundlesReader, createSvidsReader } from './x509/message-readers.ts'
import type { AgentSvid } from './x509/read-update.ts'

/** The options of `createWorkloadApiClient`. */
export interface WorkloadApiClientOptions {
  /**
   * `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. Default: the environment variable
   * `SPIFFE_ENDPOINT_SOCKET`.
   */
  readonly endpoint?: string
  /** The timeout of one call, in milliseconds. Default 5,000, because the agent is on this machine. */
  readonly timeoutMs?: number
}

/** The callbacks for a stream of the agent. */
export interface Watcher<Update> {
  /** Receives each usable message of the stream, decoded. */
  readonly onUpdate: (update: Update) => void
  /**
   * Receives each failure, each unusable message, and each omitted part of a message once. A PermissionDenied that
   * follows an update is reported after it is confirmed: if the agent denies again after 1 s, or does not revert it
   * within 5 s. Default: ignored.
   */
  readonly onError?: (error: unknown) => void
}

/** Options for fetching one message. */
export interface FetchOptions {
  /**
   * Receives each omitted part of the message: one of several SVIDs, a bundle or parts of a bundle. Default: ignored.
   */
  readonly onError?: (error: unknown) => void
}

/** A token that the agent has validated. */
export interface ValidatedJwt {
  readonly spiffeId: SpiffeId
  /** As JSON. */
  readonly claims: Readonly<Record<string, unknown>>
}

/**
 * Creates a client for the calls of the Workload API that do not need a source: single SVIDs and bundles, and
 * JWT-SVIDs. For a guard, use `workloadApiSource`.
 *
 * @throws {ConfigurationError} `option_invalid` without an endpoint or for an invalid address; `option_unknown`
 */
export function createWorkloadApiClient(options: WorkloadApiClientOptions = {}): WorkloadApiClient {
  const where = 'createWorkloadApiClient'
  parseOptions(options, ['endpoint', 'timeoutMs'], where)
  const { endpoint, timeoutMs = 5000 } = options
  if (endpoint !== undefined && typeof endpoint !== 'string') refuseOption(where, 'endpoint', endpoint, 'text')
  checkMilliseconds(where, 'timeoutMs', timeoutMs)
  return new WorkloadApiClient(findEndpoint(endpoint), loadWorkloadService(), timeoutMs)
}

/** A client of one agent. Each call opens its own connection, so only watched streams need to be closed. */
export class WorkloadApiClient {
  /** The address of the agent. */
  readonly endpoint: string
  readonly #address: EndpointAddress
  readonly #service: WorkloadService
  readonly #timeoutMs: number

  /** Called by `createWorkloadApiClient`. */
  constructor(address: EndpointAddress, service: WorkloadService, timeoutMs: number) {
    this.#address = address
    this.#service = service
    this.#timeoutMs = timeoutMs
    this.endpoint = formatEndpoint(address)
  }

  /**
   * Fetches every SVID that the agent issues to this workload, once. The bundles of other trust domains never cause an
   * error: one that cannot be read has no authorities and reports the reason in `faults`.
   *
   * @throws {AgentError} if the agent does not answer; {SourceError} `message_malformed` or {CertificateError} if no
   * SVID is usable
   */
  async fetchX509Svids(options: FetchOptions = {}): Promise<readonly AgentSvid[]> {
    checkFetchOptions(options, 'fetchX509Svids')
    const { onError } = options
    const read = createSvidsReader(onError)
    return read(await this.#first('FetchX509SVID'))
  }

  /**
   * Watches every SVID that the agent issues to this workload. Returns a function that stops watching. Once a trust
   * domain has supplied a revocation list, its bundle requires one in every later update.
   */
  watchX509Svids(watcher: Watcher<readonly AgentSvid[]>): () => void {
    checkWatcher(watcher)
    return this.#watch('FetchX509SVID', watcher, createSvidsReader(watcher.onError))
  }

  /**
   * Fetches the bundles of all trust domains for which the agent has one, by name. For workloads that verify others but
   * have no SVID. A bundle that cannot be read has no authorities and reports the reason in `faults`.
   *
   * @throws {AgentError} if the agent does not answer
   */
  async fetchX509Bundles(options: FetchOptions = {}): Promise<ReadonlyMap<string, X509Bundle>> {
    checkFetchOptions(options, 'fetchX509Bundles')
    const { onError } = options
    const read = createBundlesReader(onError)
    return read(await this.#first('FetchX509Bundles'))
  }

  /**
   * Watches the bundles of all trust domains for which the agent has one. Requires revocation lists as `watchX509Svids`
   * does. Returns a function that stops watching.
   */
  watchX509Bundles(watcher: Watcher<ReadonlyMap<string, X509Bundle>>): () => void {
    checkWatcher(watcher)
    return this.#watch('FetchX509Bundles', watcher, createBundlesReader(watcher.onError))
  }

  /**
   * Fetches a JWT-SVID for these audiences (SPIFFE Workload API §6.2.1): the first one from the agent, or the one for
   * `spiffeId`. Checks everything about the token except its signature.
   *
   * @throws {ConfigurationError} `option_invalid` for an empty audience, or text that is not a SPIFFE ID
   * @throws {AgentError} if the agent does not answer
   * @throws {SourceError} `message_malformed` for a token that has expired, is unsigned or malformed, or is for another
   * SPIFFE ID or audience
   */
  async fetchJwtSvid(request: JwtSvidRequest): Promise<JwtSvid> {
    checkJwtRequest(request)
    const { audience, spiffeId = '' } = request
    // A copy, because the answer is checked against the request and the caller could change it meanwhile.
    const asked = { audience: [...audience], spiffeId: parseWantedId(spiffeId) }
    const entries = parseJwtSvids(
      await this.#call('FetchJWTSVID', { audience: asked.audience, spiffe_id: asked.spiffeId }),
    )
    const [entry] = entries
    return readJwtSvid(entry ?? refuseMessage('svids: found none, expected at least one'), asked, Date.now())
  }

  /**
   * Fetches the JWT authorities of each trust domain, as a JWK set in JSON.
   *
   * @throws as `fetchX509Svids`
   */
  async fetchJwtBundles(): Promise<ReadonlyMap<string, string>> {
    return readJwkSets(parseJwtBundles(await this.#first('FetchJWTBundles')))
  }

  /**
   * Lets the agent validate a token that a caller sent (SPIFFE Workload API §6.2.3).
   *
   * @throws {ConfigurationError} `option_invalid` for an empty audience
   * @throws {AgentError} `agent_refused` if the token is not valid; the reason is in the message
   * @throws {SourceError} `message_malformed` for an answer without SPIFFE ID or claims, or with two SPIFFE IDs
   */
  async validateJwtSvid(request: JwtValidationRequest): Promise<ValidatedJwt> {
    checkValidationRequest(request)
    const { audience, token } = request
    const value = await this.#call('ValidateJWTSVID', { audience, svid: token })
    const { spiffeId, claims } = parseValidation(value)
    if (spiffeId === '') refuseMessage('spiffe_id is empty, expected a value')
    if (claims['sub'] !== spiffeId)
      refuseMessage('spiffe_id differs from the sub of the claims, expected the same value')
    return Object.freeze({ spiffeId: SpiffeId.parse(spiffeId), claims })
  }

  async #call(method: WorkloadMethod, request: object): Promise<unknown> {
    const stub = new WorkloadStub(this.#address, this.#service)
    try {
      return await stub.call(method, request, this.#timeoutMs)
    } finally {
      stub.close()
    }
  }

  #first(method: WorkloadMethod): Promise<unknown> {
    const stub = new WorkloadStub(this.#address, this.#service)
    return new Promise<unknown>((resolve, reject) => {
      const stop = stub.watch(
        method,
        {},
        {
          message: (value) => {
            resolve(value)
            stop()
          },
          end: () =>
            reject(
              new SourceError('agent_failed', `${method} at ${this.endpoint}: the stream ended without a message`),
            ),
          fail: reject,
        },
        this.#timeoutMs,
      )
    }).finally(() => stub.close())
  }

  #watch<Update>(method: WorkloadMethod, watcher: Watcher<Update>, read: (value: unknown) => Update): () => void {
    const { onUpdate, onError = () => undefined } = watcher
    const follower = new StreamFollower({
      address: this.#address,
      service: this.#service,
      method,
      maxRetryMs: 10_000,
      onFailure: (error: AgentError) => onError(error),
      onMessage: (value) => {
        let update: Update
        try {
          update = read(value)
        } catch (error) {
          onError(error)
          return false
        }
        onUpdate(update)
        return true
      },
    })
    return () => follower.close()
  }
}

/** A request for a JWT-SVID. */
export interface JwtSvidRequest {
  /** The recipients of the token; at least one. */
  readonly audience: readonly string[]
  /** Which of our SPIFFE IDs the token is for. Default: the agent chooses. */
  readonly spiffeId?: string
}

/** A token and its expected audience. */
export interface JwtValidationRequest {
  /** Our own audience. */
  readonly audience: string
  readonly token: string
}

function parseWantedId(spiffeId: string): string {
  if (spiffeId === '') return ''
  try {
    return SpiffeId.parse(spiffeId).toString()
  } catch (cause) {
    const message = `spiffeId: found text that is not a SPIFFE ID, expected one of our own or none: ${String(cause)}`
    throw new ConfigurationError('option_invalid', message, { value: spiffeId, cause })
  }
}

function readJwkSets(bytesById: ReadonlyMap<string, Buffer>): ReadonlyMap<string, string> {
  const { encoded, faults } = groupByTrustDomain(bytesById)
  const isUseless = [...encoded.values()].every((bytes) => bytes.length === 0)
  if (isUseless && bytesById.size > 0) {
    refuseMessage(faults[0]?.detail ?? 'found only empty JWT bundles, expected a JWK set')
  }
  // §4.4: an empty value means that the trust domain has no authorities, or no longer has any.
  return new Map([...encoded].map(([name, bytes]) => [name, bytes.length === 0 ? '{"keys":[]}' : toText(bytes)]))
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
