import { anAuthority, type Authority } from '../authority.ts'
import { aNumber, aText, certificates, checkArgument, checkOptions, oneOf, type OptionKind } from '../check-options.ts'
import { type AgentFault, agentFaults } from './agent-faults.ts'
import type { AgentCall, AgentProcess } from './agent-process.ts'
import type { FailOptions } from './fault-plan.ts'
import type { RegistrationEntry } from './registration-entry.ts'
import { removeSocketFolder } from './socket-place.ts'

/**
 * A running Workload API. The promise of each change resolves once the change is complete and was sent to every
 * affected open stream.
 */
export class Agent {
  readonly #process: AgentProcess
  readonly #folder: string | undefined
  #socketTimer: NodeJS.Timeout | undefined

  /** Called by `startAgent`, with the folder that is removed on close. */
  constructor(process: AgentProcess, folder?: string) {
    this.#process = process
    this.#folder = folder
  }

  /** The value for `SPIFFE_ENDPOINT_SOCKET`. It never changes. */
  get endpoint(): string {
    return this.#process.endpoint
  }

  /** The calls so far, including refused ones; at most the last 10,000. */
  get calls(): readonly AgentCall[] {
    return this.#process.calls
  }

  /**
   * Replaces all registration entries and issues their SVIDs. Without entries, streams are closed with
   * PERMISSION_DENIED.
   *
   * @throws {SpiffeIdError} if the text is not a SPIFFE ID
   * @throws {ConfigurationError} `option_invalid`
   */
  async setEntries(entries: readonly RegistrationEntry[]): Promise<void> {
    await this.#process.change(() => this.#process.state.replaceEntries(entries))
  }

  /** Reissues all SVIDs before they are due. */
  async rotate(): Promise<void> {
    await this.#process.change(() => this.#process.state.renew(() => true), 'FetchX509SVID')
  }

  /**
   * Makes another authority the issuer of its trust domain, together with a new JWT authority. SVIDs are reissued, and
   * bundles contain both authorities for the overlap.
   *
   * @throws {ConfigurationError} `option_invalid` if the agent does not have the authority's trust domain
   */
  async setAuthority(next: Authority, options: SetAuthorityOptions = {}): Promise<void> {
    checkArgument(next, 'setAuthority', anAuthority)
    checkOptions(options, 'setAuthority', { overlapSeconds: aNumber })
    const { overlapSeconds } = options
    await this.#process.change(() => this.#process.state.replaceAuthority(next, overlapSeconds))
  }

  /** Replaces the certificate revocation lists, as DER. */
  async setCrls(crls: readonly Buffer[]): Promise<void> {
    checkArgument(crls, 'setCrls', certificates)
    await this.#process.change(() => {
      this.#process.state.crls = [...crls]
      return Promise.resolve()
    })
  }

  /**
   * Activates a fault. One that ends calls or changes messages affects open streams immediately; `slow` and `silent`
   * affect their next message.
   *
   * @throws {ConfigurationError} `option_invalid` for an unknown fault, or for `times` below one
   */
  async fail(name: AgentFault, options: FailOptions = {}): Promise<void> {
    checkArgument(name, 'fail', aText)
    checkOptions(options, 'fail', { times: aTimes, method: aText, delayMs: aNumber })
    if (name === 'no_socket') {
      await this.stop()
      const { delayMs } = options
      if (delayMs !== undefined) this.#socketTimer = setTimeout(() => void this.#comeBack(), delayMs)
      return
    }
    this.#process.faults.add(name, options)
    if (name !== 'slow' && name !== 'silent') await this.#process.publish({ onlySpoilt: true })
  }

  /** Removes all faults, or those of one name. The socket is restored, and open streams get correct answers. */
  async heal(name?: AgentFault): Promise<void> {
    if (name !== undefined) checkArgument(name, 'heal', oneOf(['no_socket', ...Object.keys(agentFaults)]))
    this.#process.faults.lift(name)
    if (name === undefined || name === 'no_socket') await this.start()
    await this.#process.publish()
  }

  /** Stops like an agent that crashes: connections are cut, the socket is removed, and SVIDs are no longer renewed. */
  async stop(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.stop()
  }

  /**
   * Starts again after `stop`, at the same endpoint, with SVIDs that need no renewal yet. Does nothing if it is already
   * running.
   *
   * @throws {ConfigurationError} `option_invalid` if another program now uses the endpoint
   * @throws {SourceError} `source_closed` after `close`
   */
  async start(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.start()
  }

  /** Stops and starts again, with another authority if one is passed. The new one does not trust the previous one. */
  async restart(options: RestartOptions = {}): Promise<void> {
    checkOptions(options, 'restart', { authority: anAuthority })
    const { authority } = options
    clearTimeout(this.#socketTimer)
    await this.#process.restart(async () => {
      if (authority !== undefined) await this.#process.state.replaceAuthority(authority, 0)
    })
  }

  /** Stops permanently, and removes the temporary folder. */
  async close(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.close()
    if (this.#folder !== undefined) await removeSocketFolder(this.#folder)
  }

  /** Calls `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #comeBack(): Promise<void> {
    if (!this.#process.isClosed) await this.#process.start()
  }
}

// Infinity is allowed and means the same as omitting it.
const aTimes: OptionKind = [(value) => typeof value === 'number', 'a number of at least 1']

/** How long the previous authority stays trusted. */
export interface SetAuthorityOptions {
  /** Default: until the last SVID that it issued has expired. 0 withdraws it immediately. */
  readonly overlapSeconds?: number
}

/** What the agent restarts with. */
export interface RestartOptions {
  /** Default: the previous one. */
  readonly authority?: Authority
}
