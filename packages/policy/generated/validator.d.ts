import type { PolicyDocument } from '../src/policy-document.ts'

/** A difference between a value and the schema, as ajv reports it with the option `verbose`. */
export interface SchemaFault {
  /** JSON pointer to the value. */
  readonly instancePath: string
  readonly keyword: string
  readonly params: Readonly<Record<string, unknown>>
  /** The value of the keyword. */
  readonly schema?: unknown
  readonly parentSchema?: Readonly<Record<string, unknown>>
  readonly data?: unknown
}

/** Generated from schema.json by scripts/generate.mjs. After a call that returns false, `errors` has all faults. */
export declare const validateDocument: {
  (value: unknown): value is PolicyDocument
  readonly errors?: readonly SchemaFault[] | null
}
