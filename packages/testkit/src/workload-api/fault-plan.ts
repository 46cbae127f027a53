import { ConfigurationError } from '@countersign/spiffe'
import type { WorkloadMethod } from '@countersign/workload-api/wire'
import { type AgentFault, agentFaults } from './agent-faults.ts'
import type { AgentContent } from './agent-state.ts'
import type { Answer } from './answer.ts'
import type { CallFacts } from './open-call.ts'

/** What a fault affects. */
export interface FailOptions {
  /** The number of answers it changes. Default: all, until `heal`. */
  readonly times?: number
  /** Default: every method to which the fault applies. */
  readonly method?: WorkloadMethod
  /**
   * Milliseconds. For `slow`, the delay of an answer; default: 1000. For `no_socket`, how long the socket is missing;
   * default: until `heal`.
   */
  readonly delayMs?: number
}

/** A fault that changes answers. */
export type AnswerFault = Exclude<AgentFault, 'no_socket'>

/** The active faults. */
export class FaultPlan {
  #standing: readonly Standing[] = []

  /**
   * Adds a fault after the active ones, so that it is applied to their result.
   *
   * @throws {ConfigurationError} `option_invalid` for an unknown fault, or for `times` below one
   */
  add(name: AnswerFault, { times = Infinity, method, delayMs = 1000 }: FailOptions): void {
    if (!Object.hasOwn(agentFaults, name)) {
      throw refuseOption('fault', name, `one of no_socket, ${Object.keys(agentFaults).join(', ')}`)
    }
    if (!(times >= 1)) throw refuseOption('times', String(times), 'a number of at least 1')
    this.#standing = [...this.#standing, { name, method, delayMs, left: times }]
  }

  /** Removes all faults, or those of this name. */
  lift(name?: AgentFault): void {
    this.#standing = name === undefined ? [] : this.#standing.filter((standing) => standing.name !== name)
  }

  /** Applies the faults to an answer. A fault that does not change it is not counted. Calls must not overlap. */
  async apply(answer: Answer, facts: CallFacts, content: AgentContent): Promise<Answer> {
    let spoilt = answer
    for (const standing of this.#standing) {
      if (standing.method !== undefined && standing.method !== facts.method) continue
      const context = { delayMs: standing.delayMs, isStream: facts.isStream, content }
      const before = spoilt
      spoilt = await agentFaults[standing.name](before, context)
      if (spoilt !== before) standing.left -= 1
    }
    this.#standing = this.#standing.filter(({ left }) => left > 0)
    return spoilt
  }
}

interface Standing {
  readonly name: AnswerFault
  readonly method: WorkloadMethod | undefined
  readonly delayMs: number
  left: number
}

function refuseOption(where: string, value: string, expected: string): ConfigurationError {
  return new ConfigurationError('option_invalid', `${where}: found '${value}', expected ${expected}`, { value })
}
