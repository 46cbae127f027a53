import { anAuthority, type Authority } from '../authority.ts'
import { aNumber, aText, certificates, checkArgument, checkOptions, oneOf, type OptionKind } from '../check-options.ts'
import { type AgentFault, agentFaults } from './agent-faults.ts'
import type { AgentCall, AgentProcess } from './agent-process.ts'
import type { FailOptions } from './fault-plan.ts'
import type { RegistrationEntry } from './registration-entry.ts'
import { removeSocketFolder } from './socket-place.ts'

/**
 * A running Workload API. Each change of what it holds is complete, and handed to every open stream that it concerns,
 * when its promise is fulfilled.
 */
export class Agent {
  readonly #process: AgentProcess
  readonly #folder: string | undefined
  #socketTimer: NodeJS.Timeout | undefined

  /** Called by `startAgent`, with the folder that goes with the agent. */
  constructor(process: AgentProcess, folder?: string) {
    this.#process = process
    this.#folder = folder
  }

  /** For `SPIFFE_ENDPOINT_SOCKET`; the same for the whole life of the agent. */
  get endpoint(): string {
    return this.#process.endpoint
  }

  /** The calls so far, the refused ones included; of very many the last 10,000. */
  get calls(): readonly AgentCall[] {
    return this.#process.calls
  }

  /**
   * Replaces all registration entries and issues their SVIDs. With none, streams end with PERMISSION_DENIED.
   *
   * @throws {SpiffeIdError} for text that is no SPIFFE ID
   * @throws {ConfigurationError} `option_invalid`
   */
  async setEntries(entries: readonly RegistrationEntry[]): Promise<void> {
    await this.#process.change(() => this.#process.state.replaceEntries(entries))
  }

  /** Issues all SVIDs anew, before they are due. */
  async rotate(): Promise<void> {
    await this.#process.change(() => this.#process.state.renew(() => true), 'FetchX509SVID')
  }

  /**
   * Lets another authority issue for its trust domain, with a new JWT authority beside it. SVIDs are issued anew, and
   * bundles hold both for the overlap.
   *
   * @throws {ConfigurationError} `option_invalid` for an authority of a trust domain that the agent does not have
   */
  async setAuthority(next: Authority, options: SetAuthorityOptions = {}): Promise<void> {
    checkArgument(next, 'setAuthority', anAuthority)
    checkOptions(options, 'setAuthority', { overlapSeconds: aNumber })
    const { overlapSeconds } = options
    await this.#process.change(() => this.#process.state.replaceAuthority(next, overlapSeconds))
  }

  /** Replaces the certificate revocation lists, DER. */
  async setCrls(crls: readonly Buffer[]): Promise<void> {
    checkArgument(crls, 'setCrls', certificates)
    await this.#process.change(() => {
      this.#process.state.crls = [...crls]
      return Promise.resolve()
    })
  }

  /**
   * Puts a fault in force. One that ends calls or spoils messages befalls the open streams at once, `slow` and `silent`
   * their next message.
   *
   * @throws {ConfigurationError} `option_invalid` for a name that is no fault, and for `times` below one
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

  /** Ends all faults, or those of one name: the socket is there again, and open streams hear the truth. */
  async heal(name?: AgentFault): Promise<void> {
    if (name !== undefined) checkArgument(name, 'heal', oneOf(['no_socket', ...Object.keys(agentFaults)]))
    this.#process.faults.lift(name)
    if (name === undefined || name === 'no_socket') await this.start()
    await this.#process.publish()
  }

  /** Stops as an agent that dies: connections are cut, the socket is gone, and nothing is renewed. */
  async stop(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.stop()
  }

  /**
   * Comes back after `stop` at the same endpoint, with SVIDs that are not due; when it runs already nothing happens.
   *
   * @throws {ConfigurationError} `option_invalid` when the endpoint is taken by now
   * @throws {SourceError} `source_closed` after `close`
   */
  async start(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.start()
  }

  /** Stops and comes back, with another authority where one is given, which knows nothing of the one before. */
  async restart(options: RestartOptions = {}): Promise<void> {
    checkOptions(options, 'restart', { authority: anAuthority })
    const { authority } = options
    clearTimeout(this.#socketTimer)
    await this.#process.restart(async () => {
      if (authority !== undefined) await this.#process.state.replaceAuthority(authority, 0)
    })
  }

  /** Stops for good, and removes the temporary folder. */
  async close(): Promise<void> {
    clearTimeout(this.#socketTimer)
    await this.#process.close()
    if (this.#folder !== undefined) await removeSocketFolder(this.#folder)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #comeBack(): Promise<void> {
    if (!this.#process.isClosed) await this.#process.start()
  }
}

// Infinity is as good as leaving it out.
const aTimes: OptionKind = [(value) => typeof value === 'number', 'a number from 1 on']

/** How long the authority before stays trusted. */
export interface SetAuthorityOptions {
  /** Default until the last SVID that it issued has expired; 0 withdraws it at once. */
  readonly overlapSeconds?: number
}

/** What the agent comes back with. */
export interface RestartOptions {
  /** Default the one before. */
  readonly authority?: Authority
}
