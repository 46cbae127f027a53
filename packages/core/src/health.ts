import type { MaterialGate } from './connection/material-gate.ts'
import { timeWhenLeft, overdueShare } from './connection/own-expiry.ts'
import type { SourceEvent } from './events.ts'

/**
 * The state of a service's own certificate. It contains no secrets, but do not expose it to unauthenticated clients.
 */
export interface Health {
  /**
   * The overall state:
   *
   * - `ready`: our own certificate is valid.
   * - `expiring`: less than a fifth of its lifetime remains, so its renewal has probably failed.
   * - `expired`: it has expired.
   * - `lost`: the source has none, or no longer has one.
   */
  readonly status: 'ready' | 'expiring' | 'expired' | 'lost'
  /** True if callers can be authenticated now: the status is `ready` or `expiring`. */
  readonly isServing: boolean
  /** Epoch milliseconds: the expiry of our own certificate, or of the last one if there is none now. */
  readonly expiresAt?: number
  /** Epoch milliseconds: when material was last taken from the source, or was found valid again after a refusal. */
  readonly lastUpdate?: number
  /** The last failure of the source, kept after it recovers; compare `at`. */
  readonly lastError?: { readonly at: number; readonly code?: string; readonly detail: string }
}

/** Records the source events that `guard.health()` reports. */
export class HealthRecord {
  #lastUpdate: number | undefined
  #lastError: Health['lastError'] | undefined

  /** Records an event of the source. */
  note({ outcome, at, code, detail }: SourceEvent): void {
    if (outcome === 'updated' || outcome === 'recovered') this.#lastUpdate = at
    if (outcome === 'refused' || outcome === 'lost') {
      this.#lastError = Object.freeze({ at, detail, ...(code !== undefined && { code }) })
    }
  }

  /** Returns the state at `now` (epoch milliseconds). */
  read(material: MaterialGate, now: number): Health {
    const status = readStatus(material, now)
    const { last } = material
    return Object.freeze({
      status,
      isServing: status === 'ready' || status === 'expiring',
      ...(last !== undefined && { expiresAt: last.own.expiresAt }),
      ...(this.#lastUpdate !== undefined && { lastUpdate: this.#lastUpdate }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    })
  }
}

function readStatus(material: MaterialGate, now: number): Health['status'] {
  const trustState = material.current(now)
  if (trustState !== undefined) return now < timeWhenLeft(trustState.own, overdueShare) ? 'ready' : 'expiring'
  return material.last !== undefined && now >= material.last.own.expiresAt ? 'expired' : 'lost'
}
