/**
 * The Express 5 middleware.
 *
 * @module @countersign/express
 */
import type { Principal } from '@countersign/core'

export { allow } from './allow.ts'
export { countersign } from './countersign.ts'
export { createServer } from './create-server.ts'

declare global {
  // Express's types offer no other place to extend the request.
  namespace Express {
    interface Request {
      /** The authenticated caller, null if it is anonymous. Absent only if `countersign()` has not run. */
      readonly principal?: Principal | null
    }
  }
}
