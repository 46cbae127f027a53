import { SourceError, type SourceErrorCode } from '@countersign/core'

/** What the agent, or the way to it, had to say. */
export interface AgentFailure {
  readonly method: string
  /** The gRPC status by name: `UNAVAILABLE`, `PERMISSION_DENIED`, … */
  readonly code: string
  readonly details: string
  readonly endpoint: string
}

/** An answer of the agent that is none, or no answer, with its likely cause. */
export class AgentError extends SourceError {
  /** The gRPC status by name. */
  readonly grpcCode: string
  /** Where the agent was looked for. */
  readonly endpoint: string

  constructor({ method, code, details, endpoint }: AgentFailure) {
    const { errorCode, cause } = meanings.get(code) ?? other
    super(errorCode, `${method} at ${endpoint}: ${code}: ${details}; ${cause}`, { value: code })
    this.grpcCode = code
    this.endpoint = endpoint
  }

  /** Whether asking again would bring the same answer (SPIFFE Workload Endpoint §6). */
  get isFinal(): boolean {
    return this.code === 'agent_refused' || this.code === 'agent_unsupported'
  }
}

interface Meaning {
  readonly errorCode: SourceErrorCode
  readonly cause: string
}

const other: Meaning = { errorCode: 'agent_failed', cause: 'the log of the agent should say more' }

const meanings: ReadonlyMap<string, Meaning> = new Map([
  [
    'UNAVAILABLE',
    {
      errorCode: 'agent_unreachable',
      cause: 'is the agent running, and is its socket mounted here and open to this account?',
    },
  ],
  ['DEADLINE_EXCEEDED', { errorCode: 'agent_unreachable', cause: 'the agent did not answer in time' }],
  [
    'PERMISSION_DENIED',
    {
      errorCode: 'agent_denied',
      cause:
        'no registration entry matches this workload (yet): check its selectors, and that the agent has synchronized',
    },
  ],
  [
    'INVALID_ARGUMENT',
    { errorCode: 'agent_refused', cause: 'the endpoint refuses the request itself; it may be no Workload API' },
  ],
  ['UNIMPLEMENTED', { errorCode: 'agent_unsupported', cause: 'the endpoint does not offer this profile' }],
])
