import type { IncomingMessage } from 'node:http'
import type { AdapterGuard } from '@countersign/core/adapter'
import type { Principal } from '@countersign/core'
import { findRequestPrototype } from './express-internals.ts'

/** What is known of a request that passed `countersign()`, for `allow()` to build on. */
export class Admission {
  readonly #request: object
  readonly guard: AdapterGuard
  readonly principal: Principal
  readonly method: string | undefined
  /** The target that was decided. */
  readonly url: string

  constructor(request: IncomingMessage, url: string, guard: AdapterGuard, principal: Principal) {
    this.#request = request
    this.guard = guard
    this.principal = principal
    this.method = request.method
    this.url = url
  }

  /** The admission in a property of a request, if it is one, and that request's own. */
  static read(found: unknown, request: object): Admission | undefined {
    if (typeof found !== 'object' || found === null || !(#request in found)) return undefined
    return found.#request === request ? found : undefined
  }
}

// Express changes the prototype of each request, after which Node is slow to take up properties: a symbol costs more than
// twice of what a name does, and a weak map no less than a symbol. Nobody can put anything there but what was made here.
interface Admitted {
  _countersign?: unknown
  readonly principal?: unknown
  readonly app?: { readonly request?: object }
}

/** Notes what was decided about a request, and lets the application read who sent it. */
export function keepAdmission(request: IncomingMessage & Admitted, admission: Admission): void {
  request._countersign = admission
  // Already so for all but the first request of an application, unless somebody put another principal in the way.
  if (request.principal === admission.principal) return
  showPrincipals(request)
  if (request.principal === admission.principal) return
  Reflect.defineProperty(request, 'principal', { value: admission.principal, enumerable: true, configurable: true })
}

/** What was decided about a request, if `countersign()` has seen it. */
export function findAdmission(request: IncomingMessage & Admitted): Admission | undefined {
  return Admission.read(request._countersign, request)
}

function showPrincipals(request: Admitted): void {
  const prototype = findRequestPrototype(request)
  if (prototype === undefined) return
  Reflect.defineProperty(prototype, 'principal', {
    get(this: Admitted) {
      return Admission.read(this._countersign, this)?.principal
    },
    // Where nobody was admitted, the name is free, as it was before.
    set(this: Admitted, value: unknown) {
      if (Admission.read(this._countersign, this) !== undefined) {
        throw new TypeError('request.principal: found an assignment, expected none: it is who was proved to be calling')
      }
      Reflect.defineProperty(this, 'principal', { value, enumerable: true, configurable: true, writable: true })
    },
    enumerable: true,
    configurable: true,
  })
}
