import { CallError, ConfigurationError, type SubjectSource, type X509Source } from '@countersign/core'
import { isCallable, isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/core/adapter'

/** Provides JWT-SVIDs of this workload: a client of `createWorkloadApiClient`, or your own. */
export interface JwtSvidProvider {
  /** Returns a token for these audiences, and for this SPIFFE ID if there is one. */
  fetchJwtSvid(request: { readonly audience: readonly string[]; readonly spiffeId?: string }): Promise<{
    /** The compact serialization. */
    readonly token: string
    /** Epoch milliseconds. */
    readonly expiresAt: number
  }>
}

/** Which token a call carries. */
export interface JwtSvidOptions {
  /** The audience that the called service expects: one, or several. */
  readonly audience: string | readonly string[]
  /** Where the tokens come from, for example `createWorkloadApiClient()` of `@countersign/workload-api`. */
  readonly workloadApi: JwtSvidProvider
}

/**
 * Parses the option `jwtSvid`.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function createTokens(source: X509Source | SubjectSource, input: unknown, where: string): JwtSvidTokens {
  const { audience, workloadApi } = parseOptions(input, ['audience', 'workloadApi'], where)
  const audiences = parseStringList(typeof audience === 'string' ? [audience] : audience, `${where}.audience`)
  if (isProvider(workloadApi)) return new JwtSvidTokens(source, audiences, workloadApi)
  return refuseValue(`${where}.workloadApi`, workloadApi, 'a client such as createWorkloadApiClient()')
}

/** The current JWT-SVID of a workload for some audiences. Neither `console.log` nor `JSON.stringify` shows it. */
export class JwtSvidTokens {
  readonly #source: X509Source | SubjectSource
  readonly #audience: readonly string[]
  readonly #provider: JwtSvidProvider
  #held: HeldToken | undefined
  #fetching: { readonly spiffeId: string | undefined; readonly token: Promise<HeldToken> } | undefined
  /** Epoch milliseconds: after a failure, not before this time. */
  #retryAt = 0

  constructor(source: X509Source | SubjectSource, audience: readonly string[], provider: JwtSvidProvider) {
    this.#source = source
    this.#audience = audience
    this.#provider = provider
  }

  /**
   * Returns a token. Until half of its lifetime it is the one from before, and then it is fetched again in the
   * background. Waits only if there is none that is still valid; concurrent calls share one fetch.
   *
   * @throws {SourceError} of our own source, or what the provider throws
   * @throws {ConfigurationError} `option_invalid` if the provider returns something other than a token
   */
  async find(): Promise<string> {
    const now = Date.now()
    const spiffeId = readSpiffeId(this.#source)
    const held = this.#held
    if (held === undefined || held.spiffeId !== spiffeId || !isUsable(held, now))
      return (await this.#fetch(spiffeId)).token
    if (now >= held.refreshAt && now >= this.#retryAt) {
      // A call that has a valid token does not fail because the agent restarts.
      this.#fetch(spiffeId).catch(() => undefined)
    }
    return held.token
  }

  #fetch(spiffeId: string | undefined): Promise<HeldToken> {
    if (this.#fetching?.spiffeId === spiffeId && this.#fetching !== undefined) return this.#fetching.token
    const fetching = {
      spiffeId,
      token: this.#fetchOnce(spiffeId).finally(() => {
        if (this.#fetching === fetching) this.#fetching = undefined
      }),
    }
    this.#fetching = fetching
    return fetching.token
  }

  async #fetchOnce(spiffeId: string | undefined): Promise<HeldToken> {
    const fetchedAt = Date.now()
    try {
      const request = { audience: [...this.#audience], ...(spiffeId !== undefined && { spiffeId }) }
      const { token, expiresAt } = checkToken(await this.#provider.fetchJwtSvid(request))
      const refreshAt = fetchedAt + (expiresAt - fetchedAt) / 2
      this.#held = { token, spiffeId, fetchedAt, refreshAt, expiresAt }
      return this.#held
    } catch (error) {
      this.#retryAt = fetchedAt + retryMs
      // The agent withdrew the identity of this workload.
      if (isRecord(error) && error['code'] === 'agent_denied') this.#held = undefined
      throw error
    }
  }
}

const retryMs = 1000

interface HeldToken {
  readonly token: string
  /** The SPIFFE ID that it was requested for. */
  readonly spiffeId: string | undefined
  /** The times in epoch milliseconds. */
  readonly fetchedAt: number
  readonly refreshAt: number
  readonly expiresAt: number
}

// A recipient has no leeway, so the last tenth is left for the call. Before `fetchedAt`, the clock was set back.
function isUsable({ fetchedAt, expiresAt }: HeldToken, now: number): boolean {
  return now >= fetchedAt && now < expiresAt - (expiresAt - fetchedAt) / 10
}

// The token must name the same workload as the certificate. Without SPIFFE, the agent chooses.
function readSpiffeId(source: X509Source | SubjectSource): string | undefined {
  const { current } = source
  return current.kind === 'spiffe' ? current.svid.spiffeId.toString() : undefined
}

// The value itself may be a secret, so it is not shown.
function checkToken(found: unknown): { readonly token: string; readonly expiresAt: number } {
  const { token, expiresAt } = isRecord(found) ? { token: found['token'], expiresAt: found['expiresAt'] } : {}
  if (typeof token === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) && typeof expiresAt === 'number') {
    return { token, expiresAt }
  }
  const message =
    'jwtSvid: workloadApi.fetchJwtSvid() returned no token, expected one in compact serialization and expiresAt'
  throw new ConfigurationError('option_invalid', message)
}

function isProvider(value: unknown): value is JwtSvidProvider {
  return isRecord(value) && isCallable(value['fetchJwtSvid'])
}

/** Refuses a call that has its own credentials: only one of them could be sent. */
export function refuseOwnAuthorization(server: string): never {
  const message = `${server} was not called: found an Authorization header, expected none, because jwtSvid sends a token in it; use a fetch without jwtSvid for this call`
  throw new CallError('call_unsuitable', message, { reason: 'authorization_present', server })
}
