import { generateKeyPairSync } from 'node:crypto'
import type { AgentContent } from './agent-state.ts'
import { type Answer, refuse } from './answer.ts'
import { expireSvids } from './expire-svids.ts'
import {
  changeBundles,
  changeJwt,
  changeSpiffeId,
  changeX509,
  duplicateHint,
  emptyFederatedBundle,
  removeSvids,
  replaceBundles,
} from './change-answer.ts'

/** The faults that an agent can have. Each breaks one thing; see the table in this file. */
export type AgentFault =
  | 'unavailable'
  | 'permission_denied'
  | 'invalid_argument'
  | 'unimplemented'
  | 'internal'
  | 'clean_end'
  | 'broken_message'
  | 'silent'
  | 'slow'
  | 'no_socket'
  | 'no_svids'
  | 'empty_spiffe_id'
  | 'empty_svid'
  | 'empty_key'
  | 'empty_bundle'
  | 'empty_federated_bundle'
  | 'no_bundles'
  | 'empty_claims'
  | 'broken_der'
  | 'broken_key'
  | 'broken_bundle'
  | 'wrong_key'
  | 'other_spiffe_id'
  | 'expired_svid'
  | 'duplicate_hint'

/** What a fault may depend on. */
interface FaultContext {
  /** The delay of a slow answer. */
  readonly delayMs: number
  /** True if the method answers with a stream. */
  readonly isStream: boolean
  readonly content: AgentContent
}

/** Returns a faulty version of an answer, or the same object if the fault does not apply to it. */
export type ChangeAnswer = (answer: Answer, context: FaultContext) => Answer | Promise<Answer>

/** The defects, one per line, except `no_socket`, which does not concern an answer. */
export const agentFaults: Readonly<Record<Exclude<AgentFault, 'no_socket'>, ChangeAnswer>> = {
  unavailable: () => refuse('UNAVAILABLE', 'the agent is overloaded'),
  permission_denied: () => refuse('PERMISSION_DENIED', 'no identity issued'),
  invalid_argument: () => refuse('INVALID_ARGUMENT', 'the request is refused'),
  unimplemented: () => refuse('UNIMPLEMENTED', 'the method is not offered'),
  internal: () => refuse('INTERNAL', 'the agent has an internal error'),
  clean_end: (answer, { isStream }) => (isStream ? { kind: 'end' } : answer),
  broken_message: () => ({ kind: 'bytes', bytes: noMessage }),
  silent: () => ({ kind: 'silence' }),
  slow: (answer, { delayMs }) => ({ ...answer, delayMs }),
  no_svids: removeSvids,
  no_bundles: (answer) => replaceBundles(answer, () => ({})),
  empty_spiffe_id: (answer) => changeSpiffeId(answer, () => ''),
  empty_svid: (answer) => changeJwt(changeX509(answer, { x509_svid: () => nothing }), () => ''),
  empty_key: (answer) => changeX509(answer, { x509_svid_key: () => nothing }),
  empty_bundle: (answer) => changeBundles(answer, () => nothing),
  empty_federated_bundle: emptyFederatedBundle,
  empty_claims: (answer) =>
    answer.kind === 'ValidateJWTSVID' ? { ...answer, message: { ...answer.message, claims: null } } : answer,
  broken_der: (answer) => changeX509(answer, { x509_svid: cutOff }),
  broken_key: (answer) => changeX509(answer, { x509_svid_key: cutOff }),
  broken_bundle: (answer) => changeBundles(answer, cutOff),
  wrong_key: (answer) => changeX509(answer, { x509_svid_key: createOtherKey }),
  other_spiffe_id: (answer) => changeSpiffeId(answer, (id) => `${id}-other`),
  expired_svid: (answer, { content }) => expireSvids(answer, content),
  duplicate_hint: duplicateHint,
}

const nothing = Buffer.alloc(0)

// Field 31 with wire type 7, which protobuf does not define.
const noMessage = Buffer.of(0xff, 0xff, 0xff)

function cutOff(bytes: Buffer): Buffer {
  return bytes.subarray(0, -1)
}

function createOtherKey(): Buffer {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' })
}
