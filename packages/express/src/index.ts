/**
 * The Express 5 middleware.
 *
 * @module @countersign/express
 */
import type { Principal } from '@countersign/core'

export { allow } from './allow.ts'
export { countersign } from './countersign.ts'
export { createServer } from './create-server.ts'
export { requireBoundToken } from './require-bound-token.ts'
export type { BoundTokenOptions } from '@countersign/core/adapter'

declare global {
  // Express's types offer no other place to extend the request.
  namespace Express {
    interface Request {
      /** The authenticated caller, null if it is anonymous. Absent only if `countersign()` has not run. */
      readonly principal?: Principal | null
    }
  }
}
