import { describeRule } from '@countersign/authorization'
import { ignoreRejection } from '@countersign/spiffe/options'
import { callAt } from './connection/long-timer.ts'
import type { ModeEvent, Reporter } from './events.ts'
import type { GuardedRequest } from './guarded-request.ts'
import { type Readiness, ReadinessTable } from './migration/readiness-table.ts'
import type { Principal } from './principal/principal.ts'
import type { RulesInForce } from './rules-in-force.ts'

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
  readonly rules: RulesInForce
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
  readonly #routes = new Set<string>()
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
    const route = routeName ?? (rule === undefined ? 'no rule' : (this.#parts.rules.full.at(rule)?.route ?? ''))
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
    const { permissive, auditUntil, rules, onStart } = this.#parts
    this.stop()
    this.#timers.add(onStart())
    const isFirst = !this.#isStarted
    this.#isStarted = true
    if (permissive !== undefined) this.#follow('permissive', permissive.until, isFirst)
    if (auditUntil !== undefined) this.#follow('audit', auditUntil, isFirst)
    for (const rule of rules.full.rules) {
      if (rule.auditUntil === undefined) continue
      const next = rules.describeNext(rule)
      const about = { rule: rule.index, detail: `${describeRule(rule)} is not enforced; its requests fall to ${next}` }
      this.#follow('audit', rule.auditUntil, isFirst, about)
    }
  }

  /** Cancels the timers. Call it when the last server has closed. */
  stop(): void {
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  #follow(mode: ModeEvent['mode'], until: number, isFirst: boolean, about: Partial<ModeEvent> = {}): void {
    const at = Date.now()
    const end = new Date(until).toISOString()
    if (at >= until) {
      // It ended while no server listened.
      if (!isFirst) return this.#end(mode, until, about.rule)
      this.#ended.add(nameMode(mode, about.rule))
      const detail = `${mode} mode was configured until ${end}, which has passed; the guard is ${strictness[mode]}`
      this.#parts.report({ type: 'mode', mode, outcome: 'expired', at, until, ...about, detail })
      return
    }
    if (isFirst) {
      const routes = mode === 'permissive' ? { routes: this.#listAnonymous() } : {}
      const detail = `${mode} mode lasts until ${end}; ${warnings[mode]}`
      this.#parts.report({ type: 'mode', mode, outcome: 'started', at, until, detail, ...routes, ...about })
    }
    this.#timers.add(callAt(until, () => this.#end(mode, until, about.rule)))
  }

  #end(mode: ModeEvent['mode'], until: number, rule: number | undefined): void {
    if (this.#ended.has(nameMode(mode, rule))) return
    this.#ended.add(nameMode(mode, rule))
    const detail = `${mode} mode has ended; the guard is ${strictness[mode]}`
    this.#parts.report({
      type: 'mode',
      mode,
      outcome: 'ended',
      at: Date.now(),
      until,
      detail,
      ...(rule !== undefined && { rule }),
    })
    if (mode === 'permissive') this.#parts.onStrict()
  }

  #listAnonymous(): readonly string[] {
    const rules = this.#parts.rules.full.rules.filter(({ allow }) => allow.admitsAnonymous).map(describeRule)
    return [...rules, ...this.#routes]
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

function nameMode(mode: ModeEvent['mode'], rule: number | undefined): string {
  return `${mode} ${rule ?? ''}`
}

const strictness = { permissive: 'strict', audit: 'enforcing' } as const

const warnings = {
  permissive: 'callers without a certificate reach the routes that allow them',
  audit: 'denials of authenticated callers are reported and not enforced',
} as const
