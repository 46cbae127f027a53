import type { Guard, Principal } from '@countersign/core'

/** What `countersign()` decided about a request, for `allow()` to build on. */
export interface Admission {
  readonly guard: Guard
  readonly principal: Principal
  readonly method: string | undefined
  /** The target that was decided. */
  readonly url: string
}

/** The admissions of requests that are being handled; no request can carry one in from outside. */
export const admissions: WeakMap<object, Admission> = new WeakMap()
