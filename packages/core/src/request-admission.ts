import {
  type CanonicalTarget,
  type CompiledRequirement,
  createDenial,
  type Decision,
  decideLayers,
  decideRequirement,
  decideRoute,
  type Denial,
  exactSemantics,
  parsePath,
  type TargetRefusal,
} from '@countersign/authorization'
import { Admission, type DecidedRequest, hasSameSemantics, isUnchanged } from './admission.ts'
import type { Authenticator } from './authenticator.ts'
import type { ParsedAuthorizer } from './authorizer/authorizer.ts'
import { AuthorizerLayer } from './authorizer-layer.ts'
import type { ProvenUntil } from './connection/exchange-expiry.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import { hasSubscribers } from './events.ts'
import type { DecisionOutcomes, ServerDecision, Verdict } from './decision-outcomes.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import type { Modes } from './modes.ts'
import type { Principal } from './principal/principal.ts'
import { RequestProofs } from './request-proofs.ts'
import type { LayersInForce } from './layers-in-force.ts'
import type { PolicyRevisions } from './policy-revisions.ts'
import { RequestPolicyFacts } from './request-policy-facts.ts'

/** What `RequestAdmission` uses to decide. */
export interface AdmissionParts {
  /** Undefined if the guard has no authorizer. */
  readonly authorizer: ParsedAuthorizer | undefined
  readonly revisions: PolicyRevisions
  readonly material: MaterialGate
  readonly authenticator: Authenticator
  readonly outcomes: DecisionOutcomes
  readonly modes: Modes
}

/** What a server's gate receives about the application behind it. */
export interface ServerRouting extends ServerDecision {
  readonly routing: RequestRouting
}

/**
 * Decides requests in layers: canonical target, credential, policies, rules, the route's own requirement, authorizer.
 * Each can only take access away. Nothing here throws. A decision waits for the verification of a new credential, and
 * then starts again, so that it reflects changes in the meantime. It also waits for the authorizer.
 */
export class RequestAdmission {
  readonly #parts: AdmissionParts
  readonly #proofs: RequestProofs
  readonly #authorizer: AuthorizerLayer | undefined

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#proofs = new RequestProofs(parts)
    this.#authorizer = parts.authorizer && new AuthorizerLayer(parts.authorizer, { ...parts, proofs: this.#proofs })
  }

  /**
   * Decides a request by the rules when its server emits it, and stores the decision for `admit` and `readmit`. Returns
   * a pending credential if verifying it has to wait; then call again once it has settled. Returns a promise if the
   * authorizer does not answer at once. It is called here unless the route is decided later.
   */
  admitOnServer(request: GuardedRequest, server: ServerRouting): Verdict | PendingCredential | Promise<Verdict> {
    const authorizer = server.isRouteToCome ? undefined : this.#authorizer
    const kept = Admission.find(request, this)
    // A listener of `checkContinue` emits the same request again.
    if (kept !== undefined && isUnchanged(kept.facts, request) && (authorizer === undefined || kept.isAuthorized)) {
      const { principal } = kept.facts.decided
      if (this.#proofs.authenticate(request, Date.now()) === principal) return principal
    }
    const { revisions, outcomes } = this.#parts
    const decided = this.#read(request, server.routing, server.isRouteToCome, revisions.latest)
    if (!('target' in decided)) return decided
    const ruling = decideLayers(decided.revision.current(), decided)
    if (authorizer === undefined || ruling.effect === 'deny') {
      return outcomes.settleOnServer(request, decided, ruling, server, this)
    }
    return authorizer.decideOnServer(request, decided, ruling, server, this)
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
    const revision = facts?.decided.revision ?? this.#parts.revisions.latest
    const decided = this.#read(request, routing, false, revision)
    if (!('target' in decided)) {
      return 'effect' in decided ? decided : decided.settled.then(() => this.admit(request, routing))
    }
    // Not repeated if the server read the path as the framework does.
    const decidedUrl = facts?.isRoutingKnown === true ? facts.url : undefined
    const isRewritten = originalUrl !== undefined && originalUrl !== request.url && originalUrl !== decidedUrl
    const denial = isRewritten ? this.#decideOriginal(originalUrl, decided) : undefined
    const decision = denial ?? this.#decide(decided)
    const { outcomes } = this.#parts
    if (this.#authorizer !== undefined && decision.effect === 'allow') {
      return this.#authorizer.decide(request, kept, decided, decision, routeName)
    }
    // Written out here, because most requests end here, and V8 inlines only short functions.
    const isSettled = decision.effect === 'allow' && kept === undefined && !outcomes.isExtended(decided)
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
  ): Verdict | Promise<Verdict> | undefined {
    const kept = Admission.find(received, this)
    if (kept?.facts.isRoutingKnown !== true || !isUnchanged(kept.facts, request)) return undefined
    return this.#resume(kept, request, routeAllow, hasEmptyParameter, routeName)
  }

  /** Decides an authenticated connection by the rules, for the path `/` and an empty method. */
  admitConnection(request: GuardedRequest, principal: Principal | Denial): Principal | Denial {
    const { outcomes, material, revisions } = this.#parts
    if (isDenial(principal)) return outcomes.report(request, principal, principal.principal)
    const target: CanonicalTarget = { accepted: true, path: '/', isFoldable: false }
    const { generation } = material
    const revision = revisions.latest
    const decided = {
      principal,
      generation,
      revision,
      method: '',
      target,
      message: request,
      semantics: exactSemantics,
      facts: this.#findFacts(request, principal, revision),
    }
    const ruling = this.#decide(decided)
    const decision = ruling.effect === 'deny' ? ruling : (this.#authorizer?.refuseConnection() ?? ruling)
    const verdict = outcomes.settle(request, undefined, decided, decision, undefined)
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
    const denial = this.#proofs.refuseChanged(request, principal)
    return denial === undefined ? principal : this.refuse(request, denial, principal.name)
  }

  /**
   * Returns until when the caller of a running request is proven under the current material, or may be anonymous, in
   * epoch milliseconds. Undefined if no longer. Returns a promise if a token has to be verified again.
   */
  findEnd(request: GuardedRequest, principal: Principal | null): ProvenUntil {
    return this.#proofs.findEnd(request, principal)
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
    revision: LayersInForce,
  ): DecidedRequest | Denial | PendingCredential {
    const { semantics = exactSemantics, otherSemantics, routeAllow, hasEmptyParameter } = routing
    const { authenticator, material } = this.#parts
    const now = Date.now()
    const trustState = material.latest(now)
    // Read before the application's `authorities` runs, which may replace the material.
    const { generation } = material
    const principal = authenticator.authenticate(request, trustState, now)
    if (principal instanceof PendingCredential) return principal
    const target = revision.parseTarget(request, principal === null || !isDenial(principal))
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
      revision,
      facts: revision.readsFacts ? this.#findFacts(request, principal, revision) : undefined,
    }
  }

  #decide(decided: DecidedRequest): Decision {
    const layers = decided.revision.current()
    const ruling = decideLayers(layers, decided)
    return ruling.effect === 'deny' ? ruling : decideRoute(layers.rules, ruling, decided)
  }

  // Policies may read more of a request than its caller and its target.
  #findFacts(
    request: GuardedRequest,
    principal: Principal | null,
    { readsFacts }: LayersInForce,
  ): RequestPolicyFacts | undefined {
    if (!readsFacts) return undefined
    return new RequestPolicyFacts(request, () => this.#parts.authenticator.findPolicyPeer(request, principal))
  }

  #resume(
    kept: Admission,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
    routeName: string | undefined,
  ): Verdict | Promise<Verdict> | undefined {
    const { outcomes } = this.#parts
    const { decided, ruling } = kept.facts
    if (ruling.isLeftToRoute || !this.#proofs.isStillProven(request, decided)) return undefined
    if (routeAllow !== undefined || hasEmptyParameter === true) {
      const decision = decideRoute(decided.revision.current().rules, ruling, decided, routeAllow, hasEmptyParameter)
      if (decision.effect === 'deny') return outcomes.settle(request, kept, decided, decision, routeName)
    }
    if (this.#authorizer === undefined || kept.isAuthorized) return outcomes.conclude(request, kept, ruling, routeName)
    return this.#authorizer.resume(request, kept, routeName)
  }

  // The received target must be allowed too: without a framework, the server would have decided that one.
  #decideOriginal(originalUrl: string, facts: DecidedRequest): Denial | undefined {
    const target = parsePath(originalUrl)
    if (!target.accepted) return createDenial(target.reason, target.detail)
    const isRouteToCome = facts.routeAllow !== undefined
    const request = { ...facts, target, routeAllow: undefined, isRouteToCome }
    const decision = decideLayers(facts.revision.current(), request)
    return decision.effect === 'deny' ? decision : undefined
  }

  #refuse(request: GuardedRequest, { reason, detail }: TargetRefusal, principal: Verdict): Denial {
    const name = principal === null || !isDenial(principal) ? principal?.name : principal.principal
    return this.refuse(request, createDenial(reason, detail), name)
  }
}
