import type { Allowed, Denial } from '@countersign/authorization'
import type { DescribedRequest } from './admission.ts'
import type { AuditCounts } from './audit-counts.ts'
import type { ConnectionRegistry } from './connection/connection-registry.ts'
import { type DecisionEvent, hasSubscribers, publishDecision, type Reporter } from './events.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { Principal } from './principal/principal.ts'

/** Where decisions are reported. */
export interface ReportParts {
  readonly registry: ConnectionRegistry
  readonly report: Reporter
  readonly audit: AuditCounts
}

/** Reports the decisions about requests: to the log, to the channels, and in audit mode to the counts. */
export class DecisionReports {
  readonly #parts: ReportParts

  constructor(parts: ReportParts) {
    this.#parts = parts
  }

  /** Reports a denied request. `principal` is the caller's name, if one was authenticated. */
  denied(request: GuardedRequest, denial: Denial, principal: string | undefined): void {
    const { effect, ...about } = describeDenial(this.describe(request), denial, principal)
    const wasAuthenticated = this.#parts.registry.find(request)?.verdict.ok
    this.#parts.report({ type: 'denial', ...about }, wasAuthenticated)
    if (hasSubscribers('decision')) publishDecision({ type: 'decision', effect, ...about })
  }

  /**
   * Publishes an allowed request. Building the event costs more than the decision, so it is built for subscribers only.
   *
   * @param described the request as it was when it was decided, if that was earlier
   */
  allowed(
    request: GuardedRequest,
    principal: Principal | null,
    { rule }: Pick<Allowed, 'rule'>,
    described?: DescribedRequest,
  ): void {
    if (!hasSubscribers('decision')) return
    publishDecision(describeAllowed(described ?? this.describe(request), principal, rule))
  }

  /**
   * Reports a request that was allowed only because of audit mode.
   *
   * @param described the request as it was when it was decided, if that was earlier
   */
  audited(
    request: GuardedRequest,
    principal: Principal,
    wouldBe: Denial,
    described: DescribedRequest = this.describe(request),
  ): void {
    const { effect: _, ...about } = describeDenial(described, wouldBe, principal.name)
    this.#parts.audit.note(wouldBe, principal.name, about.at)
    this.#parts.report({ type: 'audit', ...about, principal: principal.name })
    if (!hasSubscribers('decision')) return
    const { id, status, code, reason, detail, rule } = wouldBe
    const denial = { effect: 'deny', id, status, code, reason, detail, ...(rule !== undefined && { rule }) } as const
    publishDecision({ ...describeAllowed(described, principal, undefined), wouldBe: denial })
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

function describeAllowed(
  described: DescribedRequest,
  principal: Principal | null,
  rule: number | undefined,
): Extract<DecisionEvent, { readonly effect: 'allow' }> {
  return {
    type: 'decision',
    effect: 'allow',
    at: Date.now(),
    ...described,
    principal: principal?.name ?? null,
    ...(rule !== undefined && { rule }),
  }
}

function describeDenial(described: DescribedRequest, denial: Denial, principal: string | undefined): DescribedDenial {
  const { challenge: _, ...why } = denial
  return { at: Date.now(), ...why, ...described, ...(principal !== undefined && { principal }) }
}

type DescribedDenial = DescribedRequest & Omit<Denial, 'challenge'> & { readonly at: number }
