import type { Principal } from '@countersign/core'

export { allow } from './allow.ts'
export { countersign } from './countersign.ts'
export { createServer } from './create-server.ts'

declare global {
  // The types of Express offer this merging point and no other.
  namespace Express {
    interface Request {
      /** Who is calling, by proof; absent only where `countersign()` has not run. */
      readonly principal?: Principal
    }
  }
}
