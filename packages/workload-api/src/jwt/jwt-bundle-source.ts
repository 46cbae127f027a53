import { type CountersignError, SourceError, type SourceNotice } from '@countersign/spiffe'
import { advanceSourceState, type SourceStateEvent, startSourceState } from '@countersign/spiffe/internal'
import type * as Jwt from '@countersign/spiffe/jwt'
import type { JwtBundles, NoticingJwtBundleSource, ReplaceableJwtBundles } from '@countersign/spiffe/jwt'
import { parseOptions } from '@countersign/spiffe/options'
import { checkMilliseconds, refuseOption } from '../check-options.ts'
import { type EndpointAddress, findEndpoint, formatEndpoint } from '../endpoint/endpoint-address.ts'
import type { AgentError } from '../wire/agent-error.ts'
import { FirstAnswer } from '../wire/first-answer.ts'
import { parseJwtBundles } from '../wire/messages.ts'
import { loadWorkloadService } from '../wire/service.ts'
import { StreamFollower } from '../wire/stream-follower.ts'
import { groupByTrustDomain } from '../x509/bundle-updates.ts'

/** The options of `jwtBundleSource`. */
export interface JwtBundleSourceOptions {
  /**
   * `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8081`. Default: the environment variable
   * `SPIFFE_ENDPOINT_SOCKET`.
   */
  readonly endpoint?: string
  /**
   * How long to wait for the first bundles, in milliseconds. Default 30,000, because a new registration entry may not
   * have reached the agent yet.
   */
  readonly timeoutMs?: number
  /**
   * Returns a source immediately. It has no bundles, so that no token is accepted, until the agent has answered.
   * Default false.
   */
  readonly startWithoutBundles?: boolean
  /**
   * The maximum delay between two attempts to reach the agent, in milliseconds. Default 10,000, because the agent is on
   * this machine.
   */
  readonly maxRetryMs?: number
}

/**
 * Creates a source of JWT bundles that the agent on this machine keeps up to date, to verify JWT-SVIDs without asking
 * the agent about each of them.
 *
 * If the agent is unreachable, the last bundles stay in use. If it denies them (PermissionDenied) and confirms that, as
 * for `workloadApiSource`, there are none until it grants them again. A trust domain that a message omits is withdrawn;
 * one whose bundle cannot be read has no keys, and does not affect the others. `onNotice` reports all of this. The
 * source keeps the process alive until you close it.
 *
 * @example const bundles = await jwtBundleSource()
 * @throws {ConfigurationError} `option_unknown`; `option_invalid` without an endpoint or for an invalid value
 * @throws {SourceError} `agent_unreachable`, `agent_denied`, `agent_refused`, `agent_unsupported`, `agent_failed` or
 * `message_malformed` if there are no bundles within `timeoutMs`
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md#6-jwt-svid-profile
 */
export async function jwtBundleSource(options: JwtBundleSourceOptions = {}): Promise<NoticingJwtBundleSource> {
  const { endpoint, timeoutMs, startWithoutBundles, maxRetryMs } = parseSourceOptions(options)
  const address = findEndpoint(endpoint)
  // Loaded here, so that the code for tokens is loaded only by programs that use it.
  const jwt = await import('@countersign/spiffe/jwt')
  const source = new AgentBundles(jwt, { address, maxRetryMs })
  if (startWithoutBundles) return source
  try {
    await source.first.wait('no JWT bundles', timeoutMs, formatEndpoint(address))
    return source
  } catch (error) {
    await source.close()
    throw error
  }
}

const where = 'jwtBundleSource'

function parseSourceOptions(options: JwtBundleSourceOptions): Required<Omit<JwtBundleSourceOptions, 'endpoint'>> & {
  readonly endpoint: string | undefined
} {
  parseOptions(options, ['endpoint', 'timeoutMs', 'startWithoutBundles', 'maxRetryMs'], where)
  const { endpoint, timeoutMs = 30_000, startWithoutBundles = false, maxRetryMs = 10_000 } = options
  if (endpoint !== undefined && typeof endpoint !== 'string') refuseOption(where, 'endpoint', endpoint, 'text')
  if (typeof startWithoutBundles !== 'boolean') {
    refuseOption(where, 'startWithoutBundles', startWithoutBundles, 'true or false')
  }
  checkMilliseconds(where, 'timeoutMs', timeoutMs)
  checkMilliseconds(where, 'maxRetryMs', maxRetryMs)
  return { endpoint, timeoutMs, startWithoutBundles, maxRetryMs }
}

/** The code for tokens, loaded when it is needed. */
type JwtModule = Pick<typeof Jwt, 'createReplaceableJwtBundles' | 'readJwtBundles'>

class AgentBundles implements NoticingJwtBundleSource {
  readonly first = new FirstAnswer()
  readonly #read: JwtModule['readJwtBundles']
  readonly #held: ReplaceableJwtBundles
  readonly #follower: StreamFollower
  #state = startSourceState('empty')
  #groupFaults = ''

  constructor(
    { createReplaceableJwtBundles, readJwtBundles }: JwtModule,
    following: { readonly address: EndpointAddress; readonly maxRetryMs: number },
  ) {
    this.#read = readJwtBundles
    this.#held = createReplaceableJwtBundles()
    this.#follower = new StreamFollower({
      ...following,
      service: loadWorkloadService(),
      method: 'FetchJWTBundles',
      onMessage: (value) => this.#receive(value),
      onFailure: (error) => this.#fail(error),
    })
  }

  current(): JwtBundles {
    return this.#held.current()
  }

  onChange(listener: () => void): () => void {
    return this.#held.onChange(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    return this.#held.onNotice(listener)
  }

  close(): Promise<void> {
    this.#follower.close()
    return this.#held.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Returns whether the message could be used. Each is the full state (SPIFFE Workload API §4.3). */
  #receive(value: unknown): boolean {
    try {
      const { encoded, faults } = groupByTrustDomain(parseJwtBundles(value))
      this.#held.replace(this.#read(encoded))
      this.#apply({ type: 'available', detail: 'the agent provides JWT bundles' })
      this.#reportGroups(faults.map(({ detail }) => detail))
      this.first.arrived()
      return true
    } catch (error) {
      if (!(error instanceof SourceError)) throw error
      this.first.failed(error, false)
      this.#report('refused', error)
      return false
    }
  }

  #fail(error: AgentError): void {
    this.first.failed(error, error.isFinal)
    // This workload no longer has an identity, and the follower has confirmed it.
    if (error.code === 'agent_denied') this.#apply({ type: 'withdrawn', error, cause: error.code })
    else this.#report(error.isFinal ? 'refused' : 'warning', error)
  }

  // Once for each code, because an unreachable agent is tried again and again.
  #report(outcome: 'refused' | 'warning', { code, message }: CountersignError): void {
    this.#apply({ type: 'failed', outcome, code, detail: message, cause: code })
  }

  #reportGroups(details: readonly string[]): void {
    const detail = details.join('; ')
    if (detail !== '' && detail !== this.#groupFaults) {
      this.#held.notify({
        outcome: 'warning',
        code: 'bundle_malformed',
        detail: `JWT bundles: ${detail}; this is ignored`,
      })
    }
    this.#groupFaults = detail
  }

  #apply(event: SourceStateEvent): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    this.#state = state
    for (const notice of notices) {
      if (event.type === 'withdrawn' && notice.outcome === 'lost') this.#held.replace(new Map())
      this.#held.notify(notice)
    }
  }
}
