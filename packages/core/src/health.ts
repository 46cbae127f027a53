import type { MaterialGate } from './connection/material-gate.ts'
import { timeWhenLeft, overdueShare } from './connection/own-expiry.ts'
import type { SourceEvent } from './events.ts'

/** How a service stands with its own certificate. Nothing in it is secret, and nothing of it should be told to strangers. */
export interface Health {
  /**
   * `ready`; `expiring` when less than a fifth of the life of our own certificate remains, which is when whatever renews
   * it has failed; `expired` when it did; `lost` when the source says that we have none (any more).
   */
  readonly status: 'ready' | 'expiring' | 'expired' | 'lost'
  /** Whether anybody can be authenticated now: `ready` or `expiring`. */
  readonly isServing: boolean
  /** Epoch milliseconds: of our own certificate, the last one where there is none now. */
  readonly expiresAt?: number
  /** Epoch milliseconds: when material was last taken from the source, or was found good again after it had been refused. */
  readonly lastUpdate?: number
  /** The last thing that went wrong with the source, also when it has recovered since: compare `at`. */
  readonly lastError?: { readonly at: number; readonly code?: string; readonly detail: string }
}

/** Remembers what of the source's events a health route asks for. */
export class HealthRecord {
  #lastUpdate: number | undefined
  #lastError: Health['lastError'] | undefined

  /** Notes an event of the source. */
  note({ outcome, at, code, detail }: SourceEvent): void {
    if (outcome === 'updated' || outcome === 'recovered') this.#lastUpdate = at
    if (outcome === 'refused' || outcome === 'lost') {
      this.#lastError = Object.freeze({ at, detail, ...(code !== undefined && { code }) })
    }
  }

  /** The state at `now` (epoch milliseconds). */
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
  const accepted = material.current(now)
  if (accepted !== undefined) return now < timeWhenLeft(accepted.own, overdueShare) ? 'ready' : 'expiring'
  return material.last !== undefined && now >= material.last.own.expiresAt ? 'expired' : 'lost'
}
