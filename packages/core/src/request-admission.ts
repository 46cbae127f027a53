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
  type DecisionRequest,
  type Denial,
  exactSemantics,
  parsePath,
  type RuleSet,
  type TargetRefusal,
} from '@countersign/authorization'
import { Admission, type AdmissionFacts, hasSameSemantics, isUnchanged } from './admission.ts'
import type { Authenticator } from './authenticator.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import type { ConnectionRegistry } from './connection/connection-registry.ts'
import { hasSubscribers, publishDecision, type Reporter } from './events.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { isDenial } from './is-denial.ts'
import type { Principal } from './principal/principal.ts'

/** What decisions are made with. */
export interface AdmissionParts {
  readonly rules: RuleSet
  readonly material: MaterialGate
  readonly authenticator: Authenticator
  readonly registry: ConnectionRegistry
  readonly report: Reporter
}

/** What a server's gate knows of the application behind it. */
export interface ServerRouting {
  readonly routing: RequestRouting
  /** Whether an adapter said how the path is read. */
  readonly isRoutingKnown: boolean
  /** Whether a hook of the framework decides again, with the route known. */
  readonly isRouteToCome: boolean
}

/**
 * The path of a request: canonical target, authentication, rules, the route's own requirement; each layer only takes
 * away. Nothing here throws, and nothing waits. A denial is reported where it is made.
 */
export class RequestAdmission {
  readonly #parts: AdmissionParts
  readonly #parseTarget: ReturnType<typeof createTargetParser>

  constructor(parts: AdmissionParts) {
    this.#parts = parts
    this.#parseTarget = createTargetParser(parts.rules.knownMethods)
  }

  /** Decides a request where its server emits it, by the rules, and keeps the decision for `admit` and `readmit`. */
  admitOnServer(
    request: GuardedRequest,
    { routing, isRoutingKnown, isRouteToCome }: ServerRouting,
  ): Principal | Denial {
    const kept = Admission.find(request, this)
    // A listener of `checkContinue` emits the same request again.
    if (kept !== undefined && isUnchanged(kept, request)) {
      if (this.#authenticate(request, Date.now()) === kept.principal) return kept.principal
    }
    const facts = this.#read(request, routing)
    if ('effect' in facts) return facts
    const ruling = decideRules(this.#parts.rules, { ...facts, isRouteToCome })
    const { principal, method, target, semantics, otherSemantics } = facts
    if (ruling.effect === 'deny') return this.#deny(request, ruling, principal.name)
    if (!isRouteToCome) this.#publishAllowed(request, principal, ruling)
    Admission.keep(request, {
      owner: this,
      principal,
      method,
      url: request.url ?? '',
      target,
      routing: { semantics, otherSemantics },
      isRoutingKnown,
      ruling,
      isPublished: !isRouteToCome,
    })
    return principal
  }

  /** Decides a request, or only what is left of it where its server has decided it in the same way. */
  admit(request: GuardedRequest, routing: RequestRouting): Principal | Denial {
    const { semantics = exactSemantics, otherSemantics, originalUrl, routeAllow, hasEmptyParameter } = routing
    const kept = Admission.find(request, this)
    if (kept !== undefined && isUnchanged(kept, request) && hasSameSemantics(kept, semantics, otherSemantics)) {
      const resumed = this.#resume(kept, request, routeAllow, hasEmptyParameter)
      if (resumed !== undefined) return resumed
    }
    const facts = this.#read(request, routing)
    if ('effect' in facts) return facts
    // Not again, where the server has read it as the framework does.
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
   * Decides what is left of a request that its server admitted, by a way that the adapter gave to the server: what the
   * route demands. Undefined where `admit` has to decide, because method or target changed or no server decided.
   *
   * @param received the request as Node emitted it, of which `request` may be a view
   */
  readmit(
    received: object,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
  ): Principal | Denial | undefined {
    const kept = Admission.find(received, this)
    if (kept?.isRoutingKnown !== true || !isUnchanged(kept, request)) return undefined
    return this.#resume(kept, request, routeAllow, hasEmptyParameter)
  }

  /** Decides for the path `/` and no method, by the rules, who has been authenticated. */
  admitConnection(request: GuardedRequest, principal: Principal | Denial): Principal | Denial {
    if (isDenial(principal)) return this.#deny(request, principal, principal.principal)
    const target: CanonicalTarget = { accepted: true, path: '/', isFoldable: false }
    const facts = { principal, method: '', target, message: request, semantics: exactSemantics }
    const decision = decide(this.#parts.rules, facts)
    if (decision.effect === 'deny') return this.#deny(request, decision, principal.name)
    this.#publishAllowed(request, principal, decision)
    return principal
  }

  /** Decides what a route demands of a request that `admit` let pass. */
  admitRoute(request: GuardedRequest, principal: Principal, requirement: CompiledRequirement): Principal | Denial {
    const { method = '', url = '' } = request
    const target = parsePath(url)
    if (!target.accepted) return this.#refuse(request, target, principal)
    const decision = decideRequirement(requirement, { principal, method, target, message: request })
    return decision.effect === 'allow' ? principal : this.#deny(request, decision, principal.name)
  }

  /** Denies a request for a reason that only the caller of this method can see. */
  deny(request: GuardedRequest, principal: Principal | null, reason: Denial['reason'], detail: string): Denial {
    return this.#deny(request, createDenial(reason, detail), principal?.name)
  }

  // Target and caller; of a refused target the caller is read too, so that the log can name it.
  #read(request: GuardedRequest, routing: RequestRouting): DecidableRequest | Denial {
    const { semantics = exactSemantics, otherSemantics, routeAllow, hasEmptyParameter } = routing
    const principal = this.#authenticate(request, Date.now())
    const target = this.#parseTarget(request, !isDenial(principal))
    if (!target.accepted) return this.#refuse(request, target, principal)
    if (isDenial(principal)) return this.#deny(request, principal, principal.principal)
    const method = request.method ?? ''
    return { principal, method, target, message: request, semantics, otherSemantics, routeAllow, hasEmptyParameter }
  }

  #resume(
    kept: AdmissionFacts,
    request: GuardedRequest,
    routeAllow: CompiledRequirement | undefined,
    hasEmptyParameter: boolean | undefined,
  ): Principal | Denial | undefined {
    // A hook before this one may have waited for long.
    const principal = this.#authenticate(request, Date.now())
    const { method, target, routing, ruling } = kept
    if (ruling.isLeftToRoute || principal !== kept.principal) return undefined
    const semantics = routing.semantics ?? exactSemantics
    const facts = { principal, method, target, message: request, semantics, routeAllow, hasEmptyParameter }
    const decision = decideRoute(this.#parts.rules, ruling, facts)
    if (decision.effect === 'deny') return this.#deny(request, decision, principal.name)
    if (!kept.isPublished) this.#publishAllowed(request, principal, ruling)
    return principal
  }

  // What was received has to pass as well: without a framework it would have been decided by the server.
  #decideOriginal(originalUrl: string, facts: DecidableRequest): Denial | undefined {
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

  // Putting it together costs more than the decision, so it is made for subscribers only.
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

interface DecidableRequest extends DecisionRequest {
  readonly principal: Principal
}

interface Described {
  readonly method: string
  readonly path: string
  readonly remoteAddress?: string
}
