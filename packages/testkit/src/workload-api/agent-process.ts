import { SourceError } from '@countersign/spiffe'
import { loadWorkloadService, type WorkloadMethod } from '@countersign/workload-api/wire'
import { type AgentAddress, formatAgentAddress } from './agent-address.ts'
import type { AgentState } from './agent-state.ts'
import { createAnswer } from './create-answer.ts'
import { FaultPlan } from './fault-plan.ts'
import type { CallFacts, OpenCall } from './open-call.ts'
import { createQueue } from './queue.ts'
import { WorkloadServer } from './workload-server.ts'

/** A call that the agent received, for assertions. */
export interface AgentCall extends CallFacts {
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * The parts of an agent that start and stop: the server, the rotation timer, and the faults applied between state and
 * server.
 */
export class AgentProcess {
  readonly state: AgentState
  readonly faults: FaultPlan = new FaultPlan()
  readonly #calls: AgentCall[] = []
  // Serialized, so that a rotation cannot happen between creating an answer and sending it.
  readonly #inTurn = createQueue()
  readonly #service = loadWorkloadService()
  #address: AgentAddress
  #server: WorkloadServer | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(state: AgentState, address: AgentAddress) {
    this.state = state
    this.#address = address
  }

  get endpoint(): string {
    return formatAgentAddress(this.#address)
  }

  get calls(): readonly AgentCall[] {
    return [...this.#calls]
  }

  /** Changes the state, then updates the open streams of `method`; by default, all streams. */
  async change(work: () => Promise<void>, method?: WorkloadMethod): Promise<void> {
    await this.#inTurn(work)
    this.#arm()
    await this.publish({ ...(method && { method }) })
  }

  /**
   * Sends to each open stream what a new stream would get. With `onlySpoilt`, only to streams whose response is changed
   * by a fault.
   */
  async publish({ method, onlySpoilt = false }: Publication = {}): Promise<void> {
    const streams = this.#server?.streams ?? []
    const concerned = streams.filter(({ facts }) => method === undefined || facts.method === method)
    await Promise.all(concerned.map((stream) => this.#answer(stream, onlySpoilt)))
  }

  /**
   * Starts the agent. Does nothing if it is already running.
   *
   * @throws {SourceError} `source_closed`
   */
  async start(): Promise<void> {
    if (this.#isClosed)
      throw new SourceError('source_closed', 'found a closed agent, expected one that may start again')
    await this.#inTurn(() => this.#listen())
  }

  async stop(): Promise<void> {
    await this.#inTurn(() => this.#end())
  }

  /** Runs `work`, then restarts without accepting a call in between. If `work` fails, the agent keeps running. */
  async restart(work: () => Promise<void>): Promise<void> {
    await this.#inTurn(async () => {
      await work()
      await this.#end()
      await this.#listen()
    })
  }

  /** Stops permanently. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.stop()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async #listen(): Promise<void> {
    // It may have been closed while waiting in the queue.
    if (this.#isClosed || this.#server !== undefined) return
    await this.state.advance(Date.now())
    const server = new WorkloadServer(this.#service, (call) => this.#accept(call))
    this.#address = await server.listen(this.#address)
    this.#server = server
    this.#arm()
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer)
    const server = this.#server
    this.#server = undefined
    await server?.close()
  }

  #accept(call: OpenCall): void {
    this.#calls.push({ ...call.facts, at: Date.now() })
    if (this.#calls.length > mostCalls) this.#calls.shift()
    void this.#answer(call)
  }

  #answer(call: OpenCall, onlySpoilt: boolean = false): Promise<void> {
    return this.#inTurn(async () => {
      if (call.isOver) return
      const truth = await createAnswer(call.facts, this.state)
      const answer = await this.faults.apply(truth, call.facts, this.state)
      if (!onlySpoilt || answer !== truth) call.deliver(answer)
    })
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const { nextChangeAt } = this.state
    if (this.#server === undefined || nextChangeAt === undefined) return
    const wait = Math.max(1, nextChangeAt - Date.now())
    this.#timer = setTimeout(() => void this.#advance(), Math.min(wait, longestWait))
  }

  async #advance(): Promise<void> {
    const changed = await this.#inTurn(() => this.state.advance(Date.now()))
    this.#arm()
    // A timer may fire slightly early, and sending the same answer again would look like a change.
    if (changed !== 'nothing') await this.publish(changed === 'bundles' ? {} : { method: 'FetchX509SVID' })
  }
}

interface Publication {
  /** Default: all methods. */
  readonly method?: WorkloadMethod
  readonly onlySpoilt?: boolean
}

// An agent may run for weeks on a developer's machine.
const mostCalls = 10_000

// `setTimeout` fires immediately for a longer delay.
const longestWait = 2 ** 31 - 1
