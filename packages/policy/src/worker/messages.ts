import type { Policy, Rule } from '@countersign/authorization'
import type { DocumentProblem } from '../policy-document.ts'

/** A file for the worker to parse. */
export interface WorkerFile {
  /** For problems and `declaredAt`. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** The data that a worker starts with. */
export interface WorkerInput {
  readonly files: readonly WorkerFile[]
}

/**
 * A message of the worker: the next part of the result, in reply to each message. The result is sent in parts, because
 * reading a large message blocks the receiver.
 */
export type WorkerPart =
  | { readonly kind: 'rules'; readonly rules: readonly Rule[] }
  | { readonly kind: 'policies'; readonly policies: readonly Policy[] }
  | { readonly kind: 'problems'; readonly problems: readonly DocumentProblem[] }
  | { readonly kind: 'end' }
