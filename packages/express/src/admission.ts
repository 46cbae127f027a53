import type { IncomingMessage } from 'node:http'
import { type AdapterGuard, findRecord } from '@countersign/core/adapter'
import type { Principal } from '@countersign/core'
import { findRequestPrototype } from './express-internals.ts'

/** The result of `countersign()` for an allowed request, for `allow()` to build on. */
export class Admission {
  readonly #request: object
  readonly guard: AdapterGuard
  /** Null for an anonymous caller. */
  readonly principal: Principal | null
  readonly method: string | undefined
  /** The target that was decided. */
  readonly url: string

  constructor(request: IncomingMessage, url: string, guard: AdapterGuard, principal: Principal | null) {
    this.#request = request
    this.guard = guard
    this.principal = principal
    this.method = request.method
    this.url = url
  }

  /** Returns the admission in a property of a request if it belongs to that request, otherwise undefined. */
  static read(found: unknown, request: object): Admission | undefined {
    if (typeof found !== 'object' || found === null || !(#request in found)) return undefined
    return found.#request === request ? found : undefined
  }
}

// Used if no attached server has decided the request. Otherwise the admission is stored with the server's decision,
// because Express changes the prototype of each request, and adding a property to it is then slow. The name needs no
// protection, because only this package can create a valid admission.
interface Admitted {
  _countersign?: unknown
  readonly principal?: unknown
  readonly app?: { readonly request?: object }
}

/**
 * Stores the decision on a request, and exposes its principal to the application.
 *
 * @param sharesRecords whether the guard is from this package's copy of core; only then are its records found here
 */
export function keepAdmission(request: IncomingMessage & Admitted, admission: Admission, sharesRecords: boolean): void {
  if (!sharesRecords || !admission.guard.keepRecord(request, admission)) request._countersign = admission
  // Already true for all but an application's first request, unless another principal was assigned.
  if (request.principal === admission.principal) return
  showPrincipals(request)
  if (request.principal === admission.principal) return
  Reflect.defineProperty(request, 'principal', { value: admission.principal, enumerable: true, configurable: true })
}

/** Returns the decision on a request, or undefined if it did not pass through `countersign()`. */
export function findAdmission(request: IncomingMessage & Admitted): Admission | undefined {
  return Admission.read(findRecord(request) ?? request._countersign, request)
}

function showPrincipals(request: Admitted): void {
  const prototype = findRequestPrototype(request)
  if (prototype === undefined) return
  Reflect.defineProperty(prototype, 'principal', {
    get(this: IncomingMessage & Admitted) {
      return findAdmission(this)?.principal
    },
    // Without an admission, the property can be assigned as before.
    set(this: IncomingMessage & Admitted, value: unknown) {
      if (findAdmission(this) !== undefined) {
        throw new TypeError('request.principal is read-only, because it is the authenticated caller')
      }
      Reflect.defineProperty(this, 'principal', { value, enumerable: true, configurable: true, writable: true })
    },
    enumerable: true,
    configurable: true,
  })
}
