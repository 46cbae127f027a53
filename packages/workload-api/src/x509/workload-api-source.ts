import {
  CountersignError,
  createReplaceableSource,
  type NoticingSource,
  type ReplaceableSource,
  SourceError,
  type SourceNotice,
  type X509Material,
} from '@countersign/spiffe'
import { advanceSourceState, type SourceStateEvent, startSourceState } from '@countersign/spiffe/internal'
import { findEndpoint, formatEndpoint } from '../endpoint/endpoint-address.ts'
import type { JwtBundleSource } from '@countersign/spiffe/jwt'
import { jwtBundleSource } from '../jwt/jwt-bundle-source.ts'
import { LazyJwtBundles } from '../jwt/lazy-jwt-bundles.ts'
import type { AgentError } from '../wire/agent-error.ts'
import { FirstAnswer } from '../wire/first-answer.ts'
import { parseX509Svids, type X509SvidsMessage } from '../wire/messages.ts'
import { loadWorkloadService } from '../wire/service.ts'
import { StreamFollower } from '../wire/stream-follower.ts'
import { parseSourceOptions, type WorkloadApiSourceOptions } from './source-options.ts'
import { PreparedMessages } from './prepared-messages.ts'
import { UpdateReader } from './read-update.ts'

/** A source of X.509 material from an agent, which also has the JWT bundles of that agent. */
export interface WorkloadApiSource extends NoticingSource {
  /**
   * The JWT bundles, for a guard with `credentials.jwtSvid`. They are fetched only if something asks for them, and
   * until the agent has answered, no token is accepted. Closed with the source.
   */
  readonly jwtBundles: JwtBundleSource
}

/**
 * Creates a source that the agent on this machine keeps up to date. X.509-SVID, key and bundles arrive over the SPIFFE
 * Workload API and are replaced before they expire, without a restart and without files.
 *
 * If the agent is unreachable, the last SVID stays in use until it expires. If the agent denies an SVID that it had
 * issued (PermissionDenied), the source asks again after 1 s. It drops the SVID if the agent denies it again, or does
 * not revert the denial within 5 s, and keeps asking. Unusable updates are reported by `onNotice`, and the previous
 * material stays. The source keeps the process alive until you close it.
 *
 * @example const source = await workloadApiSource()
 * @throws {ConfigurationError} `option_invalid` without an endpoint or for an invalid address
 * @throws {SourceError} `agent_unreachable`, `agent_denied`, `agent_refused`, `agent_unsupported`, `agent_failed` or
 * `svid_withdrawn` if there is no SVID within `timeoutMs`, with endpoint, gRPC status and likely cause;
 * {CertificateError} or `message_malformed` if everything that arrived was unusable
 * @see https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md#5-x509-svid-profile
 */
export async function workloadApiSource(options: WorkloadApiSourceOptions = {}): Promise<WorkloadApiSource> {
  const { endpoint, startWithoutSvid, timeoutMs, ...rest } = parseSourceOptions(options)
  const address = findEndpoint(endpoint)
  const source = new AgentSource({ ...rest, address })
  if (startWithoutSvid) return source
  try {
    await source.first.wait('no SVID', timeoutMs, formatEndpoint(address))
    return source
  } catch (error) {
    await source.close()
    throw error
  }
}

type AgentSourceOptions = Pick<ConstructorParameters<typeof StreamFollower>[0], 'address' | 'maxRetryMs'> & {
  readonly hint: string | undefined
}

class AgentSource implements WorkloadApiSource {
  readonly first = new FirstAnswer()
  readonly jwtBundles: LazyJwtBundles
  readonly #held: ReplaceableSource = createReplaceableSource()
  readonly #follower: StreamFollower
  readonly #hint: string | undefined
  readonly #reader = new UpdateReader()
  readonly #messages = new PreparedMessages<X509SvidsMessage>({
    prepare: (message) => this.#reader.prepare(message),
    take: (message) => this.#take(message),
  })
  #state = startSourceState('empty')

  constructor({ hint, ...following }: AgentSourceOptions) {
    const { address, maxRetryMs } = following
    this.#hint = hint
    this.jwtBundles = new LazyJwtBundles(() =>
      jwtBundleSource({ endpoint: formatEndpoint(address), startWithoutBundles: true, maxRetryMs }),
    )
    this.#follower = new StreamFollower({
      ...following,
      service: loadWorkloadService(),
      method: 'FetchX509SVID',
      onMessage: (value) => this.#receive(value),
      onFailure: (error) => this.#fail(error),
    })
  }

  get current(): X509Material {
    return this.#held.current
  }

  onUpdate(listener: (material: X509Material) => void): () => void {
    return this.#held.onUpdate(listener)
  }

  onNotice(listener: (notice: SourceNotice) => void): () => void {
    return this.#held.onNotice(listener)
  }

  async close(): Promise<void> {
    this.#follower.close()
    await this.jwtBundles.close()
    await this.#held.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Returns whether the message could be used, or true if that is not known yet. A usable message reverts an
   * unconfirmed denial.
   */
  #receive(value: unknown): boolean {
    try {
      return this.#messages.receive(parseX509Svids(value))
    } catch (error) {
      return this.#refuse(error)
    }
  }

  #take(message: X509SvidsMessage): boolean {
    try {
      this.#held.replace(this.#reader.readSvid(message, this.#hint))
      this.#apply({ type: 'available', detail: 'the agent provides a usable SVID' })
      this.first.arrived()
      return true
    } catch (error) {
      return this.#refuse(error)
    }
  }

  #refuse(error: unknown): boolean {
    if (!isCountersignError(error)) throw error
    this.first.failed(error, false)
    // An SVID that a message omits is withdrawn (SPIFFE Workload API §4.4).
    if (error instanceof SourceError && error.code === 'svid_withdrawn') {
      this.#withdraw(error)
      return true
    }
    this.#report('refused', error)
    return false
  }

  #fail(error: AgentError): void {
    this.first.failed(error, error.isFinal)
    // §5.2.1: this workload no longer has an identity, and the follower has confirmed it. With other failures the SVID
    // stays in use.
    if (error.code === 'agent_denied') this.#withdraw(error)
    else this.#report(error.isFinal ? 'refused' : 'warning', error)
  }

  #withdraw(error: SourceError): void {
    this.#messages.drop()
    this.#apply({ type: 'withdrawn', error, cause: error.code })
  }

  // Once for each code, because an unreachable agent is tried again and again.
  #report(outcome: 'refused' | 'warning', { code, message }: CountersignError): void {
    this.#apply({ type: 'failed', outcome, code, detail: message, cause: code })
  }

  #apply(event: SourceStateEvent): void {
    const { state, notices } = advanceSourceState(this.#state, event)
    this.#state = state
    for (const notice of notices) {
      if (event.type === 'withdrawn' && notice.outcome === 'lost') this.#held.withdraw(event.error)
      else this.#held.notify(notice)
    }
  }
}

function isCountersignError(error: unknown): error is CountersignError {
  return error instanceof CountersignError
}
