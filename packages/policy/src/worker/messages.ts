import type { Policy, Rule } from '@countersign/authorization'
import type { DocumentProblem } from '../policy-document.ts'

/** A file for the worker to parse. */
export interface WorkerFile {
  /** For problems and `declaredAt`. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** What a worker is started with. */
export interface WorkerInput {
  readonly files: readonly WorkerFile[]
}

/**
 * What the worker sends: in answer to each message, the next part of the result. It is sent in parts because reading a
 * message blocks the receiver for as long as the message is large.
 */
export type WorkerPart =
  | { readonly kind: 'rules'; readonly rules: readonly Rule[] }
  | { readonly kind: 'policies'; readonly policies: readonly Policy[] }
  | { readonly kind: 'problems'; readonly problems: readonly DocumentProblem[] }
  | { readonly kind: 'end' }
