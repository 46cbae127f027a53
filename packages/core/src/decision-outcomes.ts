import {
  type Allowed,
  decideLayers,
  decideRoute,
  decideRules,
  type Decision,
  type Denial,
  isSplitElsewhere,
} from '@countersign/authorization'
import { Admission, type DecidedRequest, type DescribedRequest, type Publication } from './admission.ts'
import type { Authenticator } from './authenticator.ts'
import type { DecisionReports, ReportedDecision } from './decision-reports.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { LayersInForce } from './layers-in-force.ts'
import type { Modes } from './modes.ts'
import type { Principal } from './principal/principal.ts'
import type { PolicyRevisions } from './policy-revisions.ts'

/** The principal of an allowed request, null for an anonymous caller that is allowed, or a denial. */
export type Verdict = Principal | null | Denial

/** What `DecisionOutcomes` uses. */
export interface OutcomeParts {
  readonly revisions: PolicyRevisions
  readonly authenticator: Authenticator
  readonly reports: DecisionReports
  readonly modes: Modes
}

/** How a server's decision is stored and published. */
export interface ServerDecision {
  /** True if an adapter specified how the path is read. */
  readonly isRoutingKnown: boolean
  /** True if a hook of the framework decides again, with the route known. The authorizer is then asked there. */
  readonly isRouteToCome: boolean
  /** True if the request has a response, at whose end a decision in audit mode is published. */
  readonly hasResponse: boolean
}

/**
 * Turns decisions into verdicts: reports denials, publishes each decision once, and in audit mode allows what would have
 * been denied.
 */
export class DecisionOutcomes {
  readonly #parts: OutcomeParts
  readonly #reports: DecisionReports
  readonly #isTemporary: boolean

  constructor(parts: OutcomeParts) {
    this.#parts = parts
    this.#reports = parts.reports
    this.#isTemporary = parts.modes.isTemporary
  }

  /**
   * Returns whether an allowed request may have to be reported. False for most guards: then it only has to be published,
   * and only for subscribers.
   */
  isExtended({ revision }: DecidedRequest): boolean {
    return this.#isTemporary || revision.reportsAllowed
  }

  /** Concludes the decision of a server, and stores it for the adapter's hook. */
  settleOnServer(
    request: GuardedRequest,
    decided: DecidedRequest,
    ruling: Decision,
    server: ServerDecision,
    owner: object,
  ): Verdict {
    const { isRoutingKnown, isRouteToCome, hasResponse } = server
    if (ruling.effect === 'allow' && !this.isExtended(decided)) {
      const facts = { owner, decided, url: request.url ?? '', isRoutingKnown, ruling, hasResponse }
      Admission.keep(request, facts, isRouteToCome ? 'in-hook' : 'done', undefined)
      if (!isRouteToCome) this.#reports.allowed(request, decided, ruling)
      return decided.principal
    }
    const { principal } = decided
    const enforced = ruling.effect === 'deny' ? this.#findEnforced(ruling, decided) : undefined
    if (enforced !== undefined) return this.deny(request, enforced, principal, decided)
    const wouldBe = ruling.effect === 'deny' ? ruling : this.findAudited(decided)
    if (wouldBe !== undefined && principal === null) return this.deny(request, wouldBe, principal, decided)
    const allowed = ruling.effect === 'deny' ? allowedInAudit : ruling
    let publication: Publication = 'done'
    if (isRouteToCome) publication = 'in-hook'
    else if (hasResponse && this.#parts.modes.isAuditing()) publication = 'at-close'
    const facts = { owner, decided, url: request.url ?? '', isRoutingKnown, ruling: allowed, hasResponse }
    const kept = Admission.keep(request, facts, publication, wouldBe)
    if (publication === 'at-close') this.#publishLater(request, kept, allowed)
    if (publication === 'done') this.#publish(request, decided, allowed, wouldBe)
    if (publication !== 'in-hook') this.#parts.modes.note(request, principal, allowed.rule, undefined)
    return principal
  }

  /** Concludes the last decision about a request, unless a route of Express has a requirement of its own. */
  settle(
    request: GuardedRequest,
    kept: Admission | undefined,
    decided: DecidedRequest,
    decision: Decision,
    routeName: string | undefined,
  ): Verdict {
    const { principal } = decided
    const enforced = decision.effect === 'deny' ? this.#findEnforced(decision, decided) : undefined
    if (enforced !== undefined) return this.deny(request, enforced, principal, decided, kept)
    const wouldBe = decision.effect === 'deny' ? decision : this.findAudited(decided)
    if (wouldBe !== undefined && principal === null) return this.deny(request, wouldBe, principal, decided)
    const allowed = decision.effect === 'deny' ? allowedInAudit : decision
    if (kept !== undefined) {
      this.#noteWouldBe(request, kept, wouldBe)
      return this.conclude(request, kept, allowed, routeName)
    }
    this.#publish(request, decided, allowed, wouldBe)
    this.#parts.modes.note(request, principal, allowed.rule, routeName)
    return principal
  }

  /** Publishes a stored decision, unless it was published or waits for the end of the response. */
  conclude(
    request: GuardedRequest,
    kept: Admission,
    allowed: Allowed,
    routeName: string | undefined,
  ): Principal | null {
    const { decided } = kept.facts
    const { principal } = decided
    if (kept.publication !== 'in-hook') return principal
    if (!this.isExtended(decided)) {
      kept.publication = 'done'
      this.#reports.allowed(request, decided, allowed)
      return principal
    }
    // In audit mode, a hook that runs later may still object.
    if (kept.facts.hasResponse && this.#parts.modes.isAuditing()) this.#publishLater(request, kept, allowed)
    else {
      kept.publication = 'done'
      this.#publish(request, decided, allowed, kept.wouldBe)
    }
    this.#parts.modes.note(request, principal, allowed.rule, routeName)
    return principal
  }

  /** Publishes a stored decision at the end of the response, if it waits for that. */
  publishAtClose(request: GuardedRequest, kept: Admission): void {
    const { publication, atClose, facts, wouldBe, answer } = kept
    if (publication !== 'at-close' || atClose === undefined) return
    if (answer !== undefined) {
      void answer.then(() => this.publishAtClose(request, kept))
      return
    }
    kept.publication = 'done'
    this.#publish(request, facts.decided, atClose.allowed, wouldBe, atClose.described)
  }

  /**
   * Returns a function that publishes the decision about a request that audit mode allows, as it is now, once the denial
   * that enforcement would have made is known.
   */
  preparePublication(
    request: GuardedRequest,
    decided: DecidedRequest,
    allowed: Allowed,
    routeName: string | undefined,
  ): (wouldBe: Denial | undefined) => void {
    const described = this.#reports.describe(request)
    this.#parts.modes.note(request, decided.principal, allowed.rule, routeName)
    return (wouldBe) => this.#publish(request, decided, allowed, wouldBe, described)
  }

  /** Denies a request that the rules have allowed. In audit mode, allows it. */
  objectTo(request: GuardedRequest, kept: Admission | undefined, principal: Principal | null, denial: Denial): Verdict {
    if (!this.#isAudited(denial, principal)) return this.deny(request, denial, principal, undefined, kept)
    if (kept?.publication === 'at-close') this.#noteWouldBe(request, kept, denial)
    else this.#parts.reports.audited(request, { principal, revision: this.#revisionOf(kept) }, denial)
    return principal
  }

  /** Denies a request of a caller that was authenticated, or of an anonymous one, which has to authenticate first. */
  deny(
    request: GuardedRequest,
    denial: Denial,
    principal: Principal | null,
    decided?: Pick<DecidedRequest, 'revision'>,
    kept?: Admission,
  ): Denial {
    const revision = decided?.revision ?? this.#revisionOf(kept)
    const answered = principal === null ? this.#parts.authenticator.challenge(denial) : denial
    return this.#report(request, answered, { principal, revision }, kept)
  }

  /** Reports a denial. `principal` is the caller's name, if it is known; `kept` is an earlier decision. */
  report(request: GuardedRequest, denial: Denial, principal: string | undefined, kept?: Admission): Denial {
    const about = { principal: null, name: principal, revision: this.#revisionOf(kept) }
    return this.#report(request, denial, about, kept)
  }

  // Audit mode covers policies, rules and routes, but neither ambiguous targets nor callers that are not authenticated.
  #isAudited(denial: Denial, principal: Principal | null): principal is Principal {
    return principal !== null && this.#parts.modes.isAuditing() && denial.status !== 400
  }

  /** Returns the denial that is enforced, or undefined if audit mode covers everything that denies the request. */
  #findEnforced(denial: Denial, decided: DecidedRequest): Denial | undefined {
    if (!this.#isAudited(denial, decided.principal) || isSplitElsewhere(decided)) return denial
    // A policy may have denied the request before the rules could find its path ambiguous.
    const ruling = decideRules(decided.revision.current().rules, decided)
    return ruling.effect === 'deny' && ruling.status === 400 ? ruling : undefined
  }

  /**
   * Returns the denial that the rules and policies in audit mode would add to what the enforced ones allow. It is
   * enforced for anonymous callers, so that an audit opens nothing to them.
   */
  findAudited(decided: DecidedRequest): Denial | undefined {
    const { principal, revision } = decided
    if (!revision.hasAudited) return undefined
    // An audit may have ended while the request waited for the authorizer. It must not open anything to anonymous callers.
    if (principal !== null && revision.current() === revision.full) return undefined
    const ruling = decideLayers(revision.full, decided)
    const decision = ruling.effect === 'deny' ? ruling : decideRoute(revision.full.rules, ruling, decided)
    return decision.effect === 'deny' ? decision : undefined
  }

  #report(request: GuardedRequest, denial: Denial, about: ReportedDecision, kept: Admission | undefined): Denial {
    // What waits for the end of the response would say that the request was allowed.
    if (kept !== undefined) kept.publication = 'done'
    this.#parts.reports.denied(request, denial, about)
    return denial
  }

  #revisionOf(kept: Admission | undefined): LayersInForce {
    return kept?.facts.decided.revision ?? this.#parts.revisions.latest
  }

  #publishLater(request: GuardedRequest, kept: Admission, allowed: Allowed): void {
    kept.publication = 'at-close'
    kept.atClose = { allowed, described: this.#parts.reports.describe(request) }
  }

  // The first denial counts, with the target that it is about.
  #noteWouldBe(request: GuardedRequest, kept: Admission, wouldBe: Denial | undefined): void {
    if (wouldBe === undefined || kept.wouldBe !== undefined) return
    kept.wouldBe = wouldBe
    if (kept.atClose !== undefined) kept.atClose = { ...kept.atClose, described: this.#parts.reports.describe(request) }
  }

  #publish(
    request: GuardedRequest,
    decided: DecidedRequest,
    ruling: Allowed,
    wouldBe: Denial | undefined,
    described?: DescribedRequest,
  ): void {
    const { reports } = this.#parts
    const { principal, revision } = decided
    if (wouldBe === undefined || principal === null) return reports.allowed(request, decided, ruling, described)
    // The enforced policies may have allowed it only because of a policy for emergencies.
    if (ruling !== allowedInAudit) reports.noteBreakGlass(decided)
    reports.audited(request, { principal, revision }, wouldBe, described)
  }
}

const allowedInAudit: Allowed = Object.freeze({ effect: 'allow', isLeftToRoute: false })
