import { createDenial, type Denial } from '@countersign/authorization'
import type { DecidedRequest } from './admission.ts'
import type { Authentication, Authenticator } from './authenticator.ts'
import type { ProvenUntil } from './connection/exchange-expiry.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { Modes } from './modes.ts'
import { isSameCaller } from './principal/is-same-caller.ts'
import { Principal } from './principal/principal.ts'

/** The dependencies of `RequestProofs`. */
export interface ProofParts {
  readonly material: MaterialGate
  readonly authenticator: Authenticator
  readonly modes: Modes
}

/** Checks whether the caller of a request that was decided before is still proven. Nothing here throws. */
export class RequestProofs {
  readonly #parts: ProofParts

  constructor(parts: ProofParts) {
    this.#parts = parts
  }

  /** Authenticates a request under the current material, at `now` (epoch milliseconds). */
  authenticate(request: GuardedRequest, now: number): Authentication {
    const { authenticator, material } = this.#parts
    return authenticator.authenticate(request, material.latest(now), now)
  }

  /**
   * Returns whether a decided request is still proven. An earlier hook may have waited for a long time. If the material
   * is the same, a proof can only expire, so the connection is not looked up again. The bundle of a token is not part
   * of the material.
   */
  isStillProven(request: GuardedRequest, { principal, generation }: DecidedRequest): boolean {
    const now = Date.now()
    const expiresAt = principal === null ? this.#parts.modes.permissiveUntil : principal.expiresAt
    const isOfMaterial = principal?.credential !== 'jwt-svid'
    if (isOfMaterial && this.#parts.material.isCurrent(generation, now) && now < expiresAt) return true
    return this.authenticate(request, now) === principal
  }

  /** Returns a denial if the caller is no longer proven by the same certificate with the same authorities. */
  refuseChanged(request: GuardedRequest, principal: Principal): Denial | undefined {
    const change = this.findChange(request, principal)
    return change instanceof PendingCredential ? createDenial('evaluation_error', changed) : change
  }

  /**
   * Returns a denial if the caller is no longer proven by the same credential with the same authorities, or may no
   * longer be anonymous. Returns a pending credential if a token has to be verified again; then ask again.
   */
  findChange(request: GuardedRequest, principal: Principal | null): Denial | PendingCredential | undefined {
    const now = Date.now()
    const isReadOnce = principal !== null && this.#parts.authenticator.isInjected(request)
    const again = isReadOnce && now < principal.expiresAt ? principal : this.authenticate(request, now)
    if (again === principal) return undefined
    if (again instanceof PendingCredential) return again
    if (again instanceof Principal && principal !== null && isSameCaller(again, principal)) return undefined
    if (again !== null && 'effect' in again) return again
    return createDenial('evaluation_error', changed)
  }

  /**
   * Returns when the proof of a running request's caller, or its permission to be anonymous, expires under the current
   * material, in epoch milliseconds. Undefined if it has expired. Returns a promise if a token has to be verified
   * again.
   */
  findEnd(request: GuardedRequest, principal: Principal | null): ProvenUntil {
    const again = this.authenticate(request, Date.now())
    if (again instanceof PendingCredential) return again.settled.then(() => this.findEnd(request, principal))
    if (again === null) return principal === null ? this.#parts.modes.permissiveUntil : undefined
    if (!(again instanceof Principal) || principal === null) return undefined
    return again === principal || isSameCaller(again, principal) ? again.expiresAt : undefined
  }
}

const changed = 'the credential or the authorities of the caller changed while its request waited'
