/**
 * An embedded SPIFFE agent with named faults, for tests.
 *
 * @module @countersign/testkit/workload-api
 */
export { Agent, type RestartOptions, type SetAuthorityOptions } from './agent.ts'
export type { AgentFault } from './agent-faults.ts'
export type { AgentOptions, StartFault } from './agent-options.ts'
export type { AgentCall } from './agent-process.ts'
export type { FailOptions } from './fault-plan.ts'
export type { CallFacts, WorkloadRequest } from './open-call.ts'
export type { RegistrationEntry } from './registration-entry.ts'
export { startAgent } from './start-agent.ts'
