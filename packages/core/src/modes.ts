import { describeRule, runInTurns } from '@countersign/authorization'
import { ignoreRejection } from '@countersign/spiffe/options'
import { callAt } from './connection/long-timer.ts'
import type { ModeEvent, Reporter } from './events.ts'
import type { GuardedRequest } from './guarded-request.ts'
import { type Readiness, ReadinessTable } from './migration/readiness-table.ts'
import type { Principal } from './principal/principal.ts'
import { type PolicyRevisions, turns } from './policy-revisions.ts'

/** Validated options of permissive mode. */
export interface ParsedPermissive {
  /** Epoch milliseconds. */
  readonly until: number
  readonly name: ((request: GuardedRequest) => string | undefined) | undefined
}

/** What the modes of a guard depend on. */
export interface ModeParts {
  readonly permissive: ParsedPermissive | undefined
  /** Epoch milliseconds: the end of audit mode. Undefined if the guard enforces. */
  readonly auditUntil: number | undefined
  readonly revisions: PolicyRevisions
  readonly report: Reporter
  /** Called when the guard begins to serve. Returns a function that stops what it started. */
  readonly onStart: () => () => void
  /** Called when permissive mode ends. */
  readonly onStrict: () => void
}

/**
 * The temporary modes of a guard: permissive mode and audit mode. Each ends by itself. What is decided depends on the
 * clock alone; the timers only report the end.
 */
export class Modes {
  /** Epoch milliseconds: the end of permissive mode, or 0 if there is none. */
  readonly permissiveUntil: number
  readonly #parts: ModeParts
  readonly #auditUntil: number
  readonly #readiness: ReadinessTable | undefined
  // What to cancel when the last server closes.
  readonly #timers = new Set<() => void>()
  // The same for the audits of rules and policies, which each revision replaces.
  #auditTimers = new Set<() => void>()
  readonly #routes = new Set<string>()
  /** The routes last reported as open to anonymous callers. */
  #reported: readonly string[] = []
  /** The modes whose end was reported. */
  readonly #ended = new Set<string>()
  #isStarted = false

  constructor(parts: ModeParts) {
    const { permissive, auditUntil = 0 } = parts
    const now = Date.now()
    this.#parts = parts
    this.permissiveUntil = permissive?.until ?? 0
    this.#auditUntil = auditUntil
    if (this.isPermissive(now)) this.#readiness = new ReadinessTable(now, this.permissiveUntil)
  }

  /** True if the guard has, or had, a mode that changes what is reported about allowed requests. */
  get isTemporary(): boolean {
    return this.#readiness !== undefined || this.#auditUntil > 0
  }

  /** Returns whether callers may be anonymous at `now` (epoch milliseconds). */
  isPermissive(now: number): boolean {
    return now < this.permissiveUntil
  }

  /** Returns whether denials of authenticated callers are reported but not enforced. */
  isAuditing(): boolean {
    return this.#auditUntil > 0 && Date.now() < this.#auditUntil
  }

  /** Counts an allowed request, for the report on which callers are ready for strict mode. */
  note(
    request: GuardedRequest,
    principal: Principal | null,
    rule: number | undefined,
    routeName: string | undefined,
  ): void {
    if (this.#readiness === undefined) return
    const now = Date.now()
    if (!this.isPermissive(now)) return
    const { rules } = this.#parts.revisions.latest.full
    const route = routeName ?? (rule === undefined ? 'no rule' : (rules.at(rule)?.route ?? ''))
    const credential = principal?.credential ?? 'anonymous'
    const caller = principal?.name ?? this.#nameOf(request)
    this.#readiness.note({ route, caller, credential, strict: principal === null ? 'deny' : 'allow' }, now)
  }

  /** Returns which callers are ready for strict mode, or undefined if the guard started without permissive mode. */
  readiness(): Readiness | undefined {
    return this.#readiness?.report(Date.now())
  }

  /** Adds routes of the framework that anonymous callers can reach, for the event at the start. */
  addAnonymousRoutes(routes: readonly string[]): void {
    for (const route of routes) this.#routes.add(route)
  }

  /** Reports the modes once, and from then on their ends. Call it when a server begins to listen. */
  start(): void {
    const { permissive, auditUntil, onStart } = this.#parts
    this.stop()
    this.#timers.add(onStart())
    const isFirst = !this.#isStarted
    this.#isStarted = true
    if (permissive !== undefined) this.#follow({ mode: 'permissive', until: permissive.until }, isFirst)
    if (auditUntil !== undefined) this.#follow({ mode: 'audit', until: auditUntil }, isFirst)
    for (const _ of this.#followAudits(isFirst));
  }

  /**
   * Reports the audits of a new revision, and in permissive mode the routes that it opens to anonymous callers. Call it
   * once that revision decides.
   */
  followRevision(): void {
    this.#stopAudits()
    if (!this.#isStarted) return
    this.#reportOpened()
    void runInTurns(this.#followAudits(true), turns)
  }

  /** Cancels the timers. Call it when the last server has closed. */
  stop(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
    this.#stopAudits()
  }

  #reportOpened(): void {
    const at = Date.now()
    if (!this.isPermissive(at)) return
    const before = new Set(this.#reported)
    const routes = this.#listAnonymous()
    if (routes.every((route) => before.has(route))) return
    const until = this.permissiveUntil
    const detail = `permissive mode lasts until ${new Date(until).toISOString()}; after an update of the policies, callers without a certificate reach other routes`
    this.#parts.report({ type: 'mode', mode: 'permissive', outcome: 'started', at, until, routes, detail })
  }

  #stopAudits(): void {
    for (const cancel of this.#auditTimers) cancel()
    this.#auditTimers = new Set()
  }

  // In steps, because each rule and each policy of a document may have an audit.
  *#followAudits(isFirst: boolean): Generator<undefined, void> {
    const { latest } = this.#parts.revisions
    const timers = this.#auditTimers
    const about = { mode: 'audit', timers, revision: latest.revision } as const
    for (const rule of latest.full.rules.rules) {
      if (rule.auditUntil === undefined) continue
      const detail = `${describeRule(rule)} is not enforced; its requests fall to ${latest.describeNextRule(rule)}`
      this.#follow({ ...about, until: rule.auditUntil, rule: rule.index, detail }, isFirst)
      yield
      // Stopped in the meantime, or another revision decides.
      if (timers !== this.#auditTimers) return
    }
    for (const policy of latest.full.policies?.policies ?? []) {
      if (policy.auditUntil === undefined) continue
      const detail = `the policy '${policy.name}' is not enforced; ${latest.describeWithoutPolicy(policy)}`
      this.#follow({ ...about, until: policy.auditUntil, policy: policy.name, detail }, isFirst)
      yield
      if (timers !== this.#auditTimers) return
    }
  }

  #follow(temporary: Temporary, isFirst: boolean): void {
    const { mode, until, timers = this.#timers, detail, ...about } = temporary
    const at = Date.now()
    const end = new Date(until).toISOString()
    if (at >= until) {
      // It ended while no server listened.
      if (!isFirst) return this.#end(temporary)
      this.#ended.add(nameMode(temporary))
      const found = `${mode} mode was configured until ${end}, which has passed; the guard is ${strictness[mode]}`
      const outcome = 'expired'
      this.#parts.report({ type: 'mode', mode, outcome, at, until, ...namesOf(about), detail: detail ?? found })
      return
    }
    if (isFirst) {
      const routes = mode === 'permissive' ? { routes: this.#listAnonymous() } : {}
      const found = `${mode} mode lasts until ${end}; ${warnings[mode]}`
      const outcome = 'started'
      this.#parts.report({
        type: 'mode',
        mode,
        outcome,
        at,
        until,
        ...routes,
        ...namesOf(about),
        detail: detail ?? found,
      })
    }
    timers.add(callAt(until, () => this.#end(temporary)))
  }

  #end(temporary: Temporary): void {
    const { mode, until } = temporary
    if (this.#ended.has(nameMode(temporary))) return
    this.#ended.add(nameMode(temporary))
    const detail = `${mode} mode has ended; the guard is ${strictness[mode]}`
    const outcome = 'ended'
    this.#parts.report({ type: 'mode', mode, outcome, at: Date.now(), until, detail, ...namesOf(temporary) })
    if (mode === 'permissive') this.#parts.onStrict()
  }

  #listAnonymous(): readonly string[] {
    const rules = this.#parts.revisions.latest.full.rules.rules
      .filter(({ allow }) => allow.admitsAnonymous)
      .map(describeRule)
    this.#reported = [...rules, ...this.#routes]
    return this.#reported
  }

  // The application's function must not be able to fail a request that was allowed.
  #nameOf(request: GuardedRequest): string {
    try {
      const name: unknown = this.#parts.permissive?.name?.(request)
      ignoreRejection(name)
      return typeof name === 'string' && name !== '' ? name : 'anonymous'
    } catch {
      return 'anonymous'
    }
  }
}

/** A mode of the guard, of one rule or of one policy. */
interface Temporary {
  readonly mode: ModeEvent['mode']
  /** Epoch milliseconds. */
  readonly until: number
  readonly rule?: number
  readonly policy?: string
  readonly revision?: string | undefined
  /** Default: what the mode of the whole guard means. */
  readonly detail?: string
  readonly timers?: Set<() => void>
}

function nameMode({ mode, rule, policy, revision }: Temporary): string {
  return `${mode} ${rule ?? ''} ${policy ?? ''} ${revision ?? ''}`
}

function namesOf({ rule, policy, revision }: Omit<Temporary, 'mode' | 'until'>): Partial<ModeEvent> {
  return {
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy }),
    ...(revision !== undefined && { revision }),
  }
}

const strictness = { permissive: 'strict', audit: 'enforcing' } as const

const warnings = {
  permissive: 'callers without a certificate reach the routes that allow them',
  audit: 'denials of authenticated callers are reported and not enforced',
} as const
