import { type Allowed, decidePolicies, type Denial, findAllowingPolicy } from '@countersign/authorization'
import type { DecidedRequest, DescribedRequest } from './admission.ts'
import type { AuditCounts } from './audit-counts.ts'
import type { BreakGlassReports } from './break-glass.ts'
import type { ConnectionRegistry } from './connection/connection-registry.ts'
import { type DecisionContext, hasSubscribers, publishDecision, type Reporter } from './events.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { LayersInForce } from './layers-in-force.ts'
import type { Principal } from './principal/principal.ts'

/** Where decisions are reported. */
export interface ReportParts {
  readonly registry: ConnectionRegistry
  readonly report: Reporter
  readonly audit: AuditCounts
  readonly breakGlass: BreakGlassReports
}

/** The caller of a decided request, and the rules and policies that decided it. */
export interface ReportedDecision {
  /** Null for an anonymous caller, and for one that was not authenticated. */
  readonly principal: Principal | null
  /** The name of a caller that was authenticated but for which no valid principal exists. */
  readonly name?: string | undefined
  readonly revision: LayersInForce
}

/** Reports the decisions about requests: to the log, to the channels, and in audit mode to the counts. */
export class DecisionReports {
  readonly #parts: ReportParts

  constructor(parts: ReportParts) {
    this.#parts = parts
  }

  /** Reports a denied request. */
  denied(request: GuardedRequest, denial: Denial, decision: ReportedDecision): void {
    const { principal, name = principal?.name } = decision
    const { effect, ...about } = describeDenial(this.describe(request), denial, decision, name)
    const wasAuthenticated = this.#parts.registry.find(request)?.verdict.ok
    this.#parts.report({ type: 'denial', ...about }, wasAuthenticated)
    if (hasSubscribers('decision')) publishDecision({ type: 'decision', effect, ...about })
  }

  /**
   * Publishes an allowed request, and reports if only a policy for emergencies allowed it. Building the event costs more
   * than the decision, so it is built for subscribers only.
   *
   * @param described the request as it was when it was decided, if that was earlier
   */
  allowed(
    request: GuardedRequest,
    decided: DecidedRequest,
    { rule }: Pick<Allowed, 'rule'>,
    described?: DescribedRequest,
  ): void {
    const { principal, revision } = decided
    this.noteBreakGlass(decided)
    if (!hasSubscribers('decision')) return
    const { policies } = revision.current()
    const policy = policies === undefined ? undefined : findAllowingPolicy(policies, decided)
    publishDecision({
      type: 'decision',
      effect: 'allow',
      at: Date.now(),
      ...(described ?? this.describe(request)),
      principal: principal?.name ?? null,
      ...describeContext({ principal, revision }),
      ...(rule !== undefined && { rule }),
      ...(policy !== undefined && { policy: policy.name }),
    })
  }

  /**
   * Reports a request that was allowed only because of audit mode.
   *
   * @param described the request as it was when it was decided, if that was earlier
   */
  audited(
    request: GuardedRequest,
    { principal, revision }: { readonly principal: Principal; readonly revision: LayersInForce },
    wouldBe: Denial,
    described: DescribedRequest = this.describe(request),
  ): void {
    const { effect: _, ...about } = describeDenial(described, wouldBe, { principal, revision }, principal.name)
    this.#parts.audit.note(wouldBe, principal.name, about.at)
    this.#parts.report({ type: 'audit', ...about, principal: principal.name })
    if (!hasSubscribers('decision')) return
    const { id, status, code, reason, detail, rule, policy, missing } = wouldBe
    publishDecision({
      type: 'decision',
      effect: 'allow',
      at: Date.now(),
      ...described,
      principal: principal.name,
      ...describeContext({ principal, revision }),
      wouldBe: {
        effect: 'deny',
        id,
        status,
        code,
        reason,
        detail,
        ...(rule !== undefined && { rule }),
        ...(policy !== undefined && { policy }),
        ...(missing !== undefined && { missing }),
      },
    })
  }

  /** Reports an allowed request if the policies allow it only because of one for emergencies. */
  noteBreakGlass(decided: DecidedRequest): void {
    const { principal, revision } = decided
    if (revision.full.policies?.hasBreakGlass !== true || principal === null) return
    const { policies } = revision.current()
    if (policies === undefined) return
    const used = decidePolicies(policies, decided)
    if (used === undefined || 'effect' in used) return
    this.#parts.breakGlass.note(used, principal, revision.revision, Date.now())
  }

  /** Describes a request as it is now. */
  describe(request: GuardedRequest): DescribedRequest {
    const { method = '', url = '' } = request
    const remoteAddress = this.#parts.registry.find(request)?.socket.remoteAddress
    return {
      method: method.slice(0, 32),
      path: (url.split('?', 1)[0] ?? '').slice(0, 256),
      ...(remoteAddress !== undefined && { remoteAddress }),
    }
  }
}

function describeDenial(
  described: DescribedRequest,
  denial: Denial,
  decision: ReportedDecision,
  name: string | undefined,
): DescribedDenial {
  const { challenge: _, ...why } = denial
  const caller = name === undefined ? {} : { principal: name }
  return { at: Date.now(), ...why, ...described, ...caller, ...describeContext(decision) }
}

function describeContext({ principal, revision }: ReportedDecision): DecisionContext {
  return {
    ...(principal !== null && { credential: principal.credential }),
    ...(principal?.proxy !== undefined && { proxy: principal.proxy.name }),
    ...(revision.revision !== undefined && { revision: revision.revision }),
  }
}

type DescribedDenial = DescribedRequest & DecisionContext & Omit<Denial, 'challenge'> & { readonly at: number }
