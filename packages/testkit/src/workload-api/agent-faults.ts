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

/** What can be wrong with an agent, each by the name of its one defect; the table in this file says what it does. */
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

/** What a fault may need to know. */
interface FaultContext {
  /** How late a slow answer is. */
  readonly delayMs: number
  /** Whether the method answers with a stream. */
  readonly isStream: boolean
  readonly content: AgentContent
}

/** A fault turns an answer into a worse one; one that it has nothing to do with stays the same object. */
export type ChangeAnswer = (answer: Answer, context: FaultContext) => Answer | Promise<Answer>

/** The defects, one a line, but for `no_socket`, which is none of an answer. */
export const agentFaults: Readonly<Record<Exclude<AgentFault, 'no_socket'>, ChangeAnswer>> = {
  unavailable: () => refuse('UNAVAILABLE', 'the agent is overloaded'),
  permission_denied: () => refuse('PERMISSION_DENIED', 'no identity issued'),
  invalid_argument: () => refuse('INVALID_ARGUMENT', 'the request is refused'),
  unimplemented: () => refuse('UNIMPLEMENTED', 'the method is not offered'),
  internal: () => refuse('INTERNAL', 'the agent is broken'),
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

// Field 31 with the wire type 7, which protobuf does not have.
const noMessage = Buffer.of(0xff, 0xff, 0xff)

function cutOff(bytes: Buffer): Buffer {
  return bytes.subarray(0, -1)
}

function createOtherKey(): Buffer {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' })
}
