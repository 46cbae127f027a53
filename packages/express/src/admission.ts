import type { IncomingMessage } from 'node:http'
import type { Guard, Principal } from '@countersign/core'

/** What `countersign()` decided about a request, for `allow()` to build on. */
export interface Admission {
  readonly guard: Guard
  readonly principal: Principal
  readonly method: string | undefined
  /** The target that was decided. */
  readonly url: string
}

// On the request itself, which costs less than any map; nothing of a request can set a symbol that only this file knows.
const admissionOf: unique symbol = Symbol('countersign.admission')

interface Admitted {
  [admissionOf]?: Admission
  readonly principal?: unknown
  readonly app?: { readonly request?: object }
}

/** Notes what was decided about a request, and lets the application read who sent it. */
export function keepAdmission(request: IncomingMessage & Admitted, admission: Admission): void {
  request[admissionOf] = admission
  // Already so for all but the first request of an application, unless somebody put another principal in the way.
  if (request.principal === admission.principal) return
  showPrincipals(request)
  if (request.principal === admission.principal) return
  Reflect.defineProperty(request, 'principal', { value: admission.principal, enumerable: true, configurable: true })
}

/** What was decided about a request, if `countersign()` has seen it. */
export function findAdmission(request: IncomingMessage & Admitted): Admission | undefined {
  return request[admissionOf]
}

// Express gives each application a prototype of its requests: a property there is defined once, and not for each.
function showPrincipals(request: Admitted): void {
  const prototype = Reflect.getPrototypeOf(request)
  if (prototype === null || request.app?.request !== prototype) return
  Reflect.defineProperty(prototype, 'principal', {
    get(this: Admitted) {
      return this[admissionOf]?.principal
    },
    enumerable: true,
    configurable: true,
  })
}
