import {
  type Allowed,
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
  type RuleSet,
  type TargetRefusal,
} from '@countersign/authorization'
import { Admission, type AdmissionFacts, type DecidedRequest, hasSameSemantics, isUnchanged } from './admission.ts'
import type { Authenticator } from './authenticator.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import type { ConnectionRegistry } from './connection/connection-registry.ts'
import { hasSubscribers, publishDecision, type Reporter } from './events.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import { isSameCaller } from './principal/is-same-caller.ts'
import type { Principal } from './principal/principal.ts'

/** What `RequestAdmission` uses to decide. */
export interface AdmissionParts {
  readonly rules: RuleSet
  readonly material: MaterialGate
  readonly authenticator: Authenticator
  readonly registry: ConnectionRegistry
  readonly report: Reporter
}

/** What a server's gate receives about the application behind it. */
export interface ServerRouting {
  readonly routing: RequestRouting
  /** True if an adapter specified how the path is read. */
  readonly isRoutingKnown: boolean
  /** True if a hook of the framework decides again, with the route known. */
  readonly isRouteToCome: boolean
}

/**
 * Decides requests in four layers: canonical target, authentication, rules, the route's own requirement. Each layer can
 * only take access away. Nothing here throws or waits. A denial is reported where it is made.
 */
export class RequestAdmission {
  readonly #parts: AdmissionParts
  readonly #parseTarget: ReturnType<typeof createTargetParser>

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#parseTarget = createTargetParser(parts.rules.knownMethods)
  }

  /** Decides a request by the rules when its server emits it, and stores the decision for `admit` and `readmit`. */
  admitOnServer(
    request: GuardedRequest,
    { routing, isRoutingKnown, isRouteToCome }: ServerRouting,
  ): Principal | Denial {
    const kept = Admission.find(request, this)?.facts
    // A listener of `checkContinue` emits the same request again.
    if (kept !== undefined && isUnchanged(kept, request)) {
      const { principal } = kept.decided
      if (this.#authenticate(request, Date.now()) === principal) return principal
    }
    const decided = this.#read(request, routing, isRouteToCome)
    if ('effect' in decided) return decided
    const ruling = decideRules(this.#parts.rules, decided)
    const { principal } = decided
    if (ruling.effect === 'deny') return this.#deny(request, ruling, principal.name)
    if (!isRouteToCome) this.#publishAllowed(request, principal, ruling)
    const admission: AdmissionFacts = {
      owner: this,
      decided,
      url: request.url ?? '',
      isRoutingKnown,
      ruling,
      isPublished: !isRouteToCome,
    }
    Admission.keep(request, admission)
    return principal
  }

  /** Decides a request. If its server has already decided it under the same semantics, decides only what remains. */
  admit(request: GuardedRequest, routing: RequestRouting): Principal | Denial {
    const { semantics = exactSemantics, otherSemantics, originalUrl, routeAllow, hasEmptyParameter } = routing
    const kept = Admission.find(request, this)?.facts
    if (kept !== undefined && isUnchanged(kept, request) && hasSameSemantics(kept, semantics, otherSemantics)) {
      const resumed = this.#resume(kept, request, routeAllow, hasEmptyParameter)
      if (resumed !== undefined) return resumed
    }
    const facts = this.#read(request, routing, false)
    if ('effect' in facts) return facts
    // Not repeated if the server read the path as the framework does.
    const decidedUrl = kept?.isRoutingKnown === true ? kept.url : undefined
    if (originalUrl !== undefined && originalUrl !== request.url && originalUrl !== decidedUrl) {
      const denial = this.#decideOriginal(originalUrl, facts)
      if (denial !== undefined) return this.#deny(request, denial, facts.principal.name)
    }
    const decision = decide(this.#parts.rules, facts)
    if (decision.effect === 'deny') return this.#deny(request, decision, facts.principal.name)
    this.#publishAllowed(request, facts.principal, decision)
    return facts.principal
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
  ): Principal | Denial | undefined {
    const kept = Admission.find(received, this)?.facts
    if (kept?.isRoutingKnown !== true || !isUnchanged(kept, request)) return undefined
    return this.#resume(kept, request, routeAllow, hasEmptyParameter)
  }

  /** Decides an authenticated connection by the rules, for the path `/` and an empty method. */
  admitConnection(request: GuardedRequest, principal: Principal | Denial): Principal | Denial {
    if (isDenial(principal)) return this.#deny(request, principal, principal.principal)
    const target: CanonicalTarget = { accepted: true, path: '/', isFoldable: false }
    const facts = { principal, method: '', target, message: request, semantics: exactSemantics }
    const decision = decide(this.#parts.rules, facts)
    if (decision.effect === 'deny') return this.#deny(request, decision, principal.name)
    this.#publishAllowed(request, principal, decision)
    return principal
  }

  /** Decides the route's own requirement for a request that `admit` allowed. */
  admitRoute(request: GuardedRequest, principal: Principal, requirement: CompiledRequirement): Principal | Denial {
    const { method = '', url = '' } = request
    const kept = Admission.find(request, this)?.facts
    const target = kept !== undefined && isUnchanged(kept, request) ? kept.decided.target : parsePath(url)
    if (!target.accepted) return this.#refuse(request, target, principal)
    const decision = decideRequirement(requirement, { principal, method, target, message: request })
    return decision.effect === 'allow' ? principal : this.#deny(request, decision, principal.name)
  }

  /**
   * Decides, after an admitted request has waited, whether its caller is still proven by the same certificate and has the
   * same authorities.
   */
  confirm(request: GuardedRequest, principal: Principal): Principal | Denial {
    const now = Date.now()
    // The caller of a request without a connection, in tests, can only be read once.
    const isInjected = this.#parts.registry.find(request) === undefined
    const verdict = isInjected && now < principal.expiresAt ? principal : this.#authenticate(request, now)
    if (isDenial(verdict)) return this.#deny(request, verdict, principal.name)
    if (verdict === principal || isSameCaller(verdict, principal)) return principal
    const detail = 'the authorities of the caller changed while its request waited'
    return this.#deny(request, createDenial('evaluation_error', detail), principal.name)
  }

  /**
   * Denies a request for a reason that only the caller of this method can detect. With a `challenge`, the status is 401.
   */
  deny(
    request: GuardedRequest,
    principal: Principal | null,
    reason: Denial['reason'],
    detail: string,
    challenge?: string,
  ): Denial {
    const denial = createDenial(reason, detail, challenge === undefined ? {} : { challenge })
    return this.#deny(request, denial, principal?.name)
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
  #read(request: GuardedRequest, routing: RequestRouting, isRouteToCome: boolean): DecidedRequest | Denial {
    const { semantics = exactSemantics, otherSemantics, routeAllow, hasEmptyParameter } = routing
    const { authenticator, material } = this.#parts
    const now = Date.now()
    const trustState = material.latest(now)
    // Read before the application's `authorities` runs, which may replace the material.
    const { generation } = material
    const principal = authenticator.authenticate(request, trustState, now)
    const target = this.#parseTarget(request, !isDenial(principal))
    if (!target.accepted) return this.#refuse(request, target, principal)
    if (isDenial(principal)) return this.#deny(request, principal, principal.principal)
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
    kept: AdmissionFacts,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
  ): Principal | Denial | undefined {
    const { decided, ruling } = kept
    const { principal } = decided
    if (ruling.isLeftToRoute || !this.#isStillProven(decided, request)) return undefined
    if (routeAllow !== undefined || hasEmptyParameter === true) {
      const decision = decideRoute(this.#parts.rules, ruling, decided, routeAllow, hasEmptyParameter)
      if (decision.effect === 'deny') return this.#deny(request, decision, principal.name)
    }
    if (!kept.isPublished) this.#publishAllowed(request, principal, ruling)
    return principal
  }

  // An earlier hook may have waited for a long time. Under the same material, only time can end a proof, so the
  // connection is not looked up again.
  #isStillProven({ principal, generation }: DecidedRequest, request: GuardedRequest): boolean {
    const now = Date.now()
    if (this.#parts.material.isCurrent(generation, now) && now < principal.expiresAt) return true
    return this.#authenticate(request, now) === principal
  }

  // The received target must be allowed too: without a framework, the server would have decided that one.
  #decideOriginal(originalUrl: string, facts: DecidedRequest): Denial | undefined {
    const target = parsePath(originalUrl)
    if (!target.accepted) return createDenial(target.reason, target.detail)
    const isRouteToCome = facts.routeAllow !== undefined
    const decision = decideRules(this.#parts.rules, { ...facts, target, routeAllow: undefined, isRouteToCome })
    return decision.effect === 'deny' ? decision : undefined
  }

  #authenticate(request: GuardedRequest, now: number): Principal | Denial {
    const { authenticator, material } = this.#parts
    return authenticator.authenticate(request, material.latest(now), now)
  }

  #refuse(request: GuardedRequest, { reason, detail }: TargetRefusal, principal: Principal | Denial): Denial {
    return this.#deny(request, createDenial(reason, detail), isDenial(principal) ? principal.principal : principal.name)
  }

  #deny(request: GuardedRequest, denial: Denial, principal: string | undefined): Denial {
    const { effect, ...why } = denial
    const about = { at: Date.now(), ...why, ...this.#describe(request), ...(principal !== undefined && { principal }) }
    const wasAuthenticated = this.#parts.registry.find(request)?.verdict.ok
    this.#parts.report({ type: 'denial', ...about }, wasAuthenticated)
    if (hasSubscribers('decision')) publishDecision({ type: 'decision', effect, ...about })
    return denial
  }

  // Building the event costs more than the decision, so it is built for subscribers only.
  #publishAllowed(request: GuardedRequest, principal: Principal, { rule }: Allowed): void {
    if (!hasSubscribers('decision')) return
    publishDecision({
      type: 'decision',
      effect: 'allow',
      at: Date.now(),
      ...this.#describe(request),
      principal: principal.name,
      ...(rule !== undefined && { rule }),
    })
  }

  #describe(request: GuardedRequest): Described {
    const { method = '', url = '' } = request
    const remoteAddress = this.#parts.registry.find(request)?.socket.remoteAddress
    return {
      method: method.slice(0, 32),
      path: (url.split('?', 1)[0] ?? '').slice(0, 256),
      ...(remoteAddress !== undefined && { remoteAddress }),
    }
  }
}

interface Described {
  readonly method: string
  readonly path: string
  readonly remoteAddress?: string
}
