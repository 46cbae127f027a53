import type { CompiledPolicy } from '@countersign/authorization'
import type { Reporter } from './events.ts'
import type { Principal } from './principal/principal.ts'

/**
 * Reports the use of policies for emergencies: the first request of each caller, and then once a minute while it
 * continues. Keeps at most 1,000 callers.
 */
export class BreakGlassReports {
  readonly #report: Reporter
  readonly #uses = new Map<string, { reportedAt: number; requests: number }>()

  constructor(report: Reporter) {
    this.#report = report
  }

  /** Records a request that only this policy allowed, at `now` (epoch milliseconds). */
  note({ name }: CompiledPolicy, principal: Principal, revision: string | undefined, now: number): void {
    const key = `${name}\n${principal.name}`
    const use = this.#uses.get(key) ?? { reportedAt: 0, requests: 0 }
    use.requests += 1
    // Also true after the clock was set back.
    const isDue = Math.abs(now - use.reportedAt) >= interval
    if (!isDue) return
    const { requests } = use
    use.reportedAt = now
    use.requests = 0
    // Forgetting a caller only means that its next request is reported at once.
    this.#uses.delete(key)
    this.#uses.set(key, use)
    if (this.#uses.size > most) this.#uses.delete(this.#uses.keys().next().value ?? '')
    const detail = `${principal.name} uses the policy '${name}', which is for emergencies; find out who uses it and why, and revoke the certificate when the emergency is over`
    this.#report(
      {
        type: 'policy',
        outcome: 'break-glass',
        at: now,
        detail,
        policy: name,
        principal: principal.name,
        requests,
        ...(revision !== undefined && { revision }),
      },
      true,
    )
  }
}

/** Milliseconds. */
const interval = 60_000
const most = 1000
