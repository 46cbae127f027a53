import { SourceError, type SourceErrorCode } from '@countersign/spiffe'
import type { WorkloadMethod } from './service.ts'

/** The failure of a call to the agent, or of the connection to it. */
export interface AgentFailure {
  readonly method: WorkloadMethod
  /** The name of the gRPC status: `UNAVAILABLE`, `PERMISSION_DENIED`, … */
  readonly code: string
  readonly details: string
  readonly endpoint: string
}

/** Thrown if the agent returns an error or does not answer. The message names the likely cause. */
export class AgentError extends SourceError {
  override readonly name: string = 'AgentError'
  /** The name of the gRPC status. */
  readonly grpcCode: string
  /** The address of the agent. */
  readonly endpoint: string

  constructor({ method, code, details, endpoint }: AgentFailure) {
    const { errorCode, cause } = meanings.get(code) ?? other
    const likely = typeof cause === 'string' ? cause : cause[method]
    super(errorCode, `${method} at ${endpoint}: ${code}: ${details}; ${likely}`, { value: code })
    this.grpcCode = code
    this.endpoint = endpoint
  }

  /** Whether a retry would get the same answer (SPIFFE Workload Endpoint §6). */
  get isFinal(): boolean {
    return this.code === 'agent_refused' || this.code === 'agent_unsupported'
  }
}

interface Meaning {
  readonly errorCode: SourceErrorCode
  /** The likely cause, for all methods or for each one. */
  readonly cause: string | Readonly<Record<WorkloadMethod, string>>
}

const other: Meaning = { errorCode: 'agent_failed', cause: 'see the log of the agent' }

const noEntry =
  'no registration entry matches this workload (yet): check its selectors, and that the agent has synchronized'
const requestRefused =
  'the endpoint refuses the request itself: it may not be a Workload API, or a proxy removes the header workload.spiffe.io'
const noX509 = 'the endpoint does not offer the X.509-SVID profile: check that it is the Workload API of an agent'
const noJwt = 'the endpoint does not offer the JWT-SVID profile: check that it is the Workload API of an agent'

// The standard defines the meaning of a status for each method (SPIFFE Workload API §5.2 and §6.2).
const meanings: ReadonlyMap<string, Meaning> = new Map([
  [
    'UNAVAILABLE',
    {
      errorCode: 'agent_unreachable',
      cause: 'is the agent running, and is its socket mounted here and accessible to this account?',
    },
  ],
  ['DEADLINE_EXCEEDED', { errorCode: 'agent_unreachable', cause: 'the agent did not answer in time' }],
  [
    'PERMISSION_DENIED',
    {
      errorCode: 'agent_denied',
      cause: {
        FetchX509SVID: noEntry,
        FetchX509Bundles: noEntry,
        FetchJWTBundles: noEntry,
        FetchJWTSVID: `${noEntry}; if you request a specific SPIFFE ID, check that an entry grants it to this workload`,
        ValidateJWTSVID: `the agent validates no tokens for this workload: ${noEntry}`,
      },
    },
  ],
  [
    'INVALID_ARGUMENT',
    {
      errorCode: 'agent_refused',
      cause: {
        FetchX509SVID: requestRefused,
        FetchX509Bundles: requestRefused,
        FetchJWTBundles: requestRefused,
        FetchJWTSVID: 'the agent does not issue a token for this audience or this SPIFFE ID',
        ValidateJWTSVID: 'the token is not valid for this audience; it does not authenticate its sender',
      },
    },
  ],
  [
    'UNIMPLEMENTED',
    {
      errorCode: 'agent_unsupported',
      cause: {
        FetchX509SVID: noX509,
        FetchX509Bundles: noX509,
        FetchJWTSVID: noJwt,
        FetchJWTBundles: noJwt,
        ValidateJWTSVID: noJwt,
      },
    },
  ],
  [
    'RESOURCE_EXHAUSTED',
    {
      errorCode: 'agent_failed',
      cause: 'the agent limits the rate of requests, or its message is larger than the limit of 16 MiB',
    },
  ],
])
