import {
  type CanonicalTarget,
  type CompiledRequirement,
  createDenial,
  createTargetParser,
  decide,
  decideRequirement,
  decideRoute,
  decideRules,
  type Denial,
  exactSemantics,
  parsePath,
  type TargetRefusal,
} from '@countersign/authorization'
import { Admission, type DecidedRequest, hasSameSemantics, isUnchanged } from './admission.ts'
import type { Authentication, Authenticator } from './authenticator.ts'
import type { ProvenUntil } from './connection/exchange-expiry.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import { hasSubscribers } from './events.ts'
import type { DecisionOutcomes, Verdict } from './decision-outcomes.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import type { Modes } from './modes.ts'
import { isSameCaller } from './principal/is-same-caller.ts'
import { Principal } from './principal/principal.ts'
import type { RulesInForce } from './rules-in-force.ts'

/** What `RequestAdmission` uses to decide. */
export interface AdmissionParts {
  readonly rules: RulesInForce
  readonly material: MaterialGate
  readonly authenticator: Authenticator
  readonly outcomes: DecisionOutcomes
  readonly modes: Modes
}

/** What a server's gate receives about the application behind it. */
export interface ServerRouting {
  readonly routing: RequestRouting
  /** True if an adapter specified how the path is read. */
  readonly isRoutingKnown: boolean
  /** True if a hook of the framework decides again, with the route known. */
  readonly isRouteToCome: boolean
  /** True if the request has a response, at whose end a decision in audit mode is published. */
  readonly hasResponse: boolean
}

/**
 * Decides requests in four layers: canonical target, credential, rules, the route's own requirement. Each layer can only
 * take access away. Nothing here throws. A decision waits only for the verification of a credential that was not seen
 * before, and is then made from the start, so that a change in the meantime counts.
 */
export class RequestAdmission {
  readonly #parts: AdmissionParts
  readonly #parseTarget: ReturnType<typeof createTargetParser>

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#parseTarget = createTargetParser(parts.rules.full.knownMethods)
  }

  /**
   * Decides a request by the rules when its server emits it, and stores the decision for `admit` and `readmit`. Returns
   * a pending credential if verifying it has to wait; then call again once it has settled.
   */
  admitOnServer(request: GuardedRequest, server: ServerRouting): Verdict | PendingCredential {
    const kept = Admission.find(request, this)?.facts
    // A listener of `checkContinue` emits the same request again.
    if (kept !== undefined && isUnchanged(kept, request)) {
      const { principal } = kept.decided
      if (this.#authenticate(request, Date.now()) === principal) return principal
    }
    const decided = this.#read(request, server.routing, server.isRouteToCome)
    if (!('target' in decided)) return decided
    const { rules, outcomes } = this.#parts
    const ruling = decideRules(rules.current(), decided)
    return outcomes.settleOnServer(request, decided, ruling, server, this)
  }

  /** Decides a request. If its server has already decided it under the same semantics, decides only what remains. */
  admit(request: GuardedRequest, routing: RequestRouting): Verdict | Promise<Verdict> {
    const { semantics = exactSemantics, otherSemantics, originalUrl, routeName } = routing
    const kept = Admission.find(request, this)
    const facts = kept?.facts
    if (
      kept !== undefined &&
      isUnchanged(kept.facts, request) &&
      hasSameSemantics(kept.facts, semantics, otherSemantics)
    ) {
      const resumed = this.#resume(kept, request, routing.routeAllow, routing.hasEmptyParameter, routeName)
      if (resumed !== undefined) return resumed
    }
    const decided = this.#read(request, routing, false)
    if (!('target' in decided)) {
      return 'effect' in decided ? decided : decided.settled.then(() => this.admit(request, routing))
    }
    // Not repeated if the server read the path as the framework does.
    const decidedUrl = facts?.isRoutingKnown === true ? facts.url : undefined
    const isRewritten = originalUrl !== undefined && originalUrl !== request.url && originalUrl !== decidedUrl
    const denial = isRewritten ? this.#decideOriginal(originalUrl, decided) : undefined
    const decision = denial ?? decide(this.#parts.rules.current(), decided)
    const { outcomes } = this.#parts
    // Written out here, because most requests end here, and V8 inlines only short functions.
    const isSettled = decision.effect === 'allow' && kept === undefined && !outcomes.isExtended
    if (isSettled && !hasSubscribers('decision')) return decided.principal
    return outcomes.settle(request, kept, decided, decision, routeName)
  }

  /**
   * Decides only the route's own requirement, for a request that its server admitted under routing that the adapter
   * supplied. Returns undefined if `admit` has to decide: the method or target changed, or no server decided.
   *
   * @param received the request as Node emitted it; `request` may be a view of it
   */
  readmit(
    received: object,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
    routeName: string | undefined,
  ): Verdict | undefined {
    const kept = Admission.find(received, this)
    if (kept?.facts.isRoutingKnown !== true || !isUnchanged(kept.facts, request)) return undefined
    return this.#resume(kept, request, routeAllow, hasEmptyParameter, routeName)
  }

  /** Decides an authenticated connection by the rules, for the path `/` and an empty method. */
  admitConnection(request: GuardedRequest, principal: Principal | Denial): Principal | Denial {
    const { outcomes, material, rules } = this.#parts
    if (isDenial(principal)) return outcomes.report(request, principal, principal.principal)
    const target: CanonicalTarget = { accepted: true, path: '/', isFoldable: false }
    const { generation } = material
    const decided = {
      principal,
      generation,
      method: '',
      target,
      message: request,
      semantics: exactSemantics,
    }
    const verdict = outcomes.settle(request, undefined, decided, decide(rules.current(), decided), undefined)
    return verdict ?? principal
  }

  /** Decides the route's own requirement for a request that `admit` allowed. */
  admitRoute(request: GuardedRequest, principal: Principal | null, requirement: CompiledRequirement): Verdict {
    const { method = '', url = '' } = request
    const kept = Admission.find(request, this)
    const isKept = kept !== undefined && isUnchanged(kept.facts, request)
    const target = isKept ? kept.facts.decided.target : parsePath(url)
    if (!target.accepted) return this.#refuse(request, target, principal)
    const decision = decideRequirement(requirement, { principal, method, target, message: request })
    return decision.effect === 'allow' ? principal : this.objectTo(request, principal, decision)
  }

  /** Denies a request that `admit` allowed, for a reason that only the adapter can detect. In audit mode, allows it. */
  objectTo(request: GuardedRequest, principal: Principal | null, denial: Denial): Verdict {
    return this.#parts.outcomes.objectTo(request, Admission.find(request, this), principal, denial)
  }

  /** Denies a request before its caller is known, or for a reason that audit mode does not cover. */
  refuse(request: GuardedRequest, denial: Denial, principal?: string): Denial {
    return this.#parts.outcomes.report(request, denial, principal, Admission.find(request, this))
  }

  /**
   * Decides, after an admitted request has waited in its framework, whether its caller is still proven by the same
   * certificate and has the same authorities.
   */
  confirm(request: GuardedRequest, principal: Principal): Principal | Denial {
    const now = Date.now()
    const isReadOnce = this.#parts.authenticator.isInjected(request)
    const again = isReadOnce && now < principal.expiresAt ? principal : this.#authenticate(request, now)
    if (again === principal || (again instanceof Principal && isSameCaller(again, principal))) return principal
    if (again !== null && 'effect' in again) return this.refuse(request, again, principal.name)
    const detail = 'what proved the caller, or its authorities, changed while its request waited'
    return this.refuse(request, createDenial('evaluation_error', detail), principal.name)
  }

  /**
   * Returns until when the caller of a running request is proven under the current material, or may be anonymous, in
   * epoch milliseconds. Undefined if no longer. Returns a promise if a token has to be verified again.
   */
  findEnd(request: GuardedRequest, principal: Principal | null): ProvenUntil {
    const again = this.#authenticate(request, Date.now())
    if (again instanceof PendingCredential) return again.settled.then(() => this.findEnd(request, principal))
    if (again === null) return principal === null ? this.#parts.modes.permissiveUntil : undefined
    if (!(again instanceof Principal) || principal === null) return undefined
    return again === principal || isSameCaller(again, principal) ? again.expiresAt : undefined
  }

  /** Publishes the decision about a request at the end of its response, if it waits for that. */
  publishAtClose(request: GuardedRequest): void {
    const kept = Admission.find(request, this)
    if (kept !== undefined) this.#parts.outcomes.publishAtClose(request, kept)
  }

  /**
   * Stores a record of the adapter with the decision of the attached server. Returns false, and stores nothing, if none
   * has decided this request.
   */
  keepRecord(request: object, record: unknown): boolean {
    const kept = Admission.find(request, this)
    kept?.keepRecord(record)
    return kept !== undefined
  }

  // Authenticates even if the target is refused, so that the log can name the caller.
  #read(
    request: GuardedRequest,
    routing: RequestRouting,
    isRouteToCome: boolean,
  ): DecidedRequest | Denial | PendingCredential {
    const { semantics = exactSemantics, otherSemantics, routeAllow, hasEmptyParameter } = routing
    const { authenticator, material } = this.#parts
    const now = Date.now()
    const trustState = material.latest(now)
    // Read before the application's `authorities` runs, which may replace the material.
    const { generation } = material
    const principal = authenticator.authenticate(request, trustState, now)
    if (principal instanceof PendingCredential) return principal
    const target = this.#parseTarget(request, principal === null || !isDenial(principal))
    if (!target.accepted) return this.#refuse(request, target, principal)
    if (principal !== null && isDenial(principal)) return this.refuse(request, principal, principal.principal)
    const method = request.method ?? ''
    // One literal with every property, and never a spread copy of it: V8 gives copies another hidden class, and the
    // decision then takes 4 µs instead of 0.2.
    return {
      principal,
      generation,
      method,
      target,
      message: request,
      semantics,
      otherSemantics,
      routeAllow,
      hasEmptyParameter,
      isRouteToCome,
    }
  }

  #resume(
    kept: Admission,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
    routeName: string | undefined,
  ): Verdict | undefined {
    const { rules, outcomes } = this.#parts
    const { decided, ruling } = kept.facts
    if (ruling.isLeftToRoute || !this.#isStillProven(decided, request)) return undefined
    if (routeAllow !== undefined || hasEmptyParameter === true) {
      const decision = decideRoute(rules.current(), ruling, decided, routeAllow, hasEmptyParameter)
      if (decision.effect === 'deny') return outcomes.settle(request, kept, decided, decision, routeName)
    }
    return outcomes.conclude(request, kept, decided.principal, ruling, routeName)
  }

  // An earlier hook may have waited for a long time. Under the same material, only time can end a proof, so the
  // connection is not looked up again. The bundle of a token is not part of the material.
  #isStillProven({ principal, generation }: DecidedRequest, request: GuardedRequest): boolean {
    const now = Date.now()
    const expiresAt = principal === null ? this.#parts.modes.permissiveUntil : principal.expiresAt
    const isOfMaterial = principal?.credential !== 'jwt-svid'
    if (isOfMaterial && this.#parts.material.isCurrent(generation, now) && now < expiresAt) return true
    return this.#authenticate(request, now) === principal
  }

  // The received target must be allowed too: without a framework, the server would have decided that one.
  #decideOriginal(originalUrl: string, facts: DecidedRequest): Denial | undefined {
    const target = parsePath(originalUrl)
    if (!target.accepted) return createDenial(target.reason, target.detail)
    const isRouteToCome = facts.routeAllow !== undefined
    const request = { ...facts, target, routeAllow: undefined, isRouteToCome }
    const decision = decideRules(this.#parts.rules.current(), request)
    return decision.effect === 'deny' ? decision : undefined
  }

  #authenticate(request: GuardedRequest, now: number): Authentication {
    const { authenticator, material } = this.#parts
    return authenticator.authenticate(request, material.latest(now), now)
  }

  #refuse(request: GuardedRequest, { reason, detail }: TargetRefusal, principal: Verdict): Denial {
    const name = principal === null || !isDenial(principal) ? principal?.name : principal.principal
    return this.refuse(request, createDenial(reason, detail), name)
  }
}
