import { SourceError } from '@countersign/spiffe'
import { loadWorkloadService, type WorkloadMethod } from '@countersign/workload-api/wire'
import { type AgentAddress, formatAgentAddress } from './agent-address.ts'
import type { AgentState } from './agent-state.ts'
import { createAnswer } from './create-answer.ts'
import { FaultPlan } from './fault-plan.ts'
import type { CallFacts, OpenCall } from './open-call.ts'
import { createQueue } from './queue.ts'
import { WorkloadServer } from './workload-server.ts'

/** What the agent was asked, for assertions. */
export interface AgentCall extends CallFacts {
  /** Epoch milliseconds. */
  readonly at: number
}

/** What runs and stops: the server, the timer of the rotation, and the faults that lie between state and server. */
export class AgentProcess {
  readonly state: AgentState
  readonly faults: FaultPlan = new FaultPlan()
  readonly #calls: AgentCall[] = []
  // One thing after another: a rotation must not fall between the making of an answer and its sending.
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

  /** Changes the state, then tells the open streams of these methods; by default of all. */
  async change(work: () => Promise<void>, method?: WorkloadMethod): Promise<void> {
    await this.#inTurn(work)
    this.#arm()
    await this.publish({ ...(method && { method }) })
  }

  /** Sends the open streams what a new one would get; with `onlySpoilt` those to whom a fault has something to do. */
  async publish({ method, onlySpoilt = false }: Publication = {}): Promise<void> {
    const streams = this.#server?.streams ?? []
    const concerned = streams.filter(({ facts }) => method === undefined || facts.method === method)
    await Promise.all(concerned.map((stream) => this.#answer(stream, onlySpoilt)))
  }

  /**
   * Does nothing when it runs already.
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

  /** Does this, stops and starts, with no call between; when it fails nothing stops. */
  async restart(work: () => Promise<void>): Promise<void> {
    await this.#inTurn(async () => {
      await work()
      await this.#end()
      await this.#listen()
    })
  }

  /** Stops for good. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.stop()
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async #listen(): Promise<void> {
    // It may have been closed while this waited for its turn.
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
    // A timer may fire a moment too early; to send the same again would look like a change.
    if (changed !== 'nothing') await this.publish(changed === 'bundles' ? {} : { method: 'FetchX509SVID' })
  }
}

interface Publication {
  /** Default all. */
  readonly method?: WorkloadMethod
  readonly onlySpoilt?: boolean
}

// An agent may run for weeks beside a developer's services.
const mostCalls = 10_000

// A longer time fires at once.
const longestWait = 2 ** 31 - 1
