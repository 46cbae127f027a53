import type { Server as HttpServer } from 'node:http'
import type { Server as TlsServer, TLSSocket } from 'node:tls'
import {
  type AccessMatrix,
  type CompiledRequirement,
  compileRouteRequirement,
  createDenial,
  type Denial,
  type Explanation,
  type PathSemantics,
  type RuleSet,
} from '@countersign/authorization'
import { ConfigurationError, SourceError } from '@countersign/spiffe'
import { isCallable } from '@countersign/spiffe/options'
import { type DenialAnswer, formatAnswer } from './answer.ts'
import { answerMatrix, type MatrixQuestion } from './answer-matrix.ts'
import type { AttachOptions } from './attach-options.ts'
import type { AuditReport } from './audit-counts.ts'
import { describeMisuse, noRequest } from './check-request.ts'
import type { MaterialGate } from './connection/material-gate.ts'
import type { GuardTlsOptions } from './connection/tls-options.ts'
import type { TokenRefusal } from './credential/bound-token.ts'
import type { Verdict } from './decision-outcomes.ts'
import type { CountersignEvent } from './events.ts'
import { type ExplainContext, explainQuestion, type ExplainQuestion } from './explain-question.ts'
import type { Health } from './health.ts'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import { type GuardOptions, type ParsedGuardOptions, parseGuardOptions } from './guard-options.ts'
import { createGuardParts, type GuardParts } from './guard-parts.ts'
import { exactRouting, type RecognizeListener } from './listener-routing.ts'
import type { Readiness } from './migration/readiness-table.ts'
import type { GuardMigrationOptions } from './mode-options.ts'
import type { Principal } from './principal/principal.ts'
import { probeListener, type ProbeListener } from './probe-listener.ts'
import type { ProbeOptions } from './probe-options.ts'
import { type Finding, reviewGuard } from './review.ts'
import type { RequestAdmission } from './request-admission.ts'
import type { LayersInForce } from './layers-in-force.ts'
import { ServerAttachments } from './server-attachments.ts'
import type { Guard } from './guard.ts'

/**
 * A guard with the methods that adapters call. `RequestAdmission` decides the requests. Exported as a type of
 * `@countersign/core/adapter`.
 */
export class AdapterGuard implements Guard {
  /**
   * False when no rules were configured and every route decides by `perRoute()`. The framework then has to report its
   * routes.
   */
  readonly hasOwnRules: boolean
  readonly #options: ParsedGuardOptions
  readonly #parts: GuardParts
  readonly #requests: RequestAdmission
  readonly #servers: ServerAttachments

  constructor(options: GuardOptions) {
    const parsed = parseGuardOptions(options)
    this.#options = parsed
    this.hasOwnRules = parsed.hasOwnRules
    this.#parts = createGuardParts(parsed)
    this.#requests = this.#parts.requests
    this.#servers = new ServerAttachments({
      options: parsed,
      parts: this.#parts,
      answer: (denial, request) => this.answer(denial, request),
      review: (server) => this.review(server),
    })
    this.#requireMaterial()
  }

  /** The compiled rules in use, including those in audit mode. */
  get rules(): RuleSet {
    return this.layersInForce.full.rules
  }

  /** The rules and policies in use, and those that are enforced once their audit ends. */
  get layersInForce(): LayersInForce {
    return this.#options.revisions.latest
  }

  /** True if the guard has policies, so that its rules may be replaced while it runs. */
  get hasPolicies(): boolean {
    return this.#options.revisions.hasPolicies
  }

  /**
   * Checks the rules, and those of later revisions, for the semantics of a router.
   *
   * @throws {ConfigurationError} `rule_unreachable` if a rule can never decide under them
   */
  checkSemantics(semantics: PathSemantics): void {
    this.#options.revisions.checkSemantics(semantics)
  }

  tlsOptions(): GuardTlsOptions {
    return this.#servers.createTlsOptions(this.#requireMaterial())
  }

  /** Attaches a server as applications do. `options` describe how the framework behind it reads and routes requests. */
  attach(server: unknown, options: AttachOptions = {}): void {
    this.#servers.attach(server, options)
  }

  /** Returns whether this guard is attached to a server. */
  isAttachedTo(server: object): boolean {
    return this.#servers.has(server)
  }

  /**
   * Decides a request in layers: canonical target, credential, policies, rules, the route's own requirement, authorizer.
   * Each layer can only take access away.
   *
   * Returns the principal of an allowed request, null for an anonymous caller that is allowed, or a denial that is
   * already reported. A decision that an attached server made under the same routing is not made again. Never throws.
   * Returns a promise only if a new token has to be verified, or the authorizer does not answer at once. It is never
   * rejected.
   */
  admit(request: GuardedRequest, routing: RequestRouting = exactRouting): Verdict | Promise<Verdict> {
    const misuse = describeMisuse(request)
    if (misuse !== undefined) return this.#requests.refuse(noRequest, createDenial('evaluation_error', misuse))
    return this.#requests.admit(request, routing)
  }

  /**
   * Decides only the route's own requirement, for a request that an attached server has already admitted. Returns
   * undefined if `admit` has to decide: the method or target has changed since, or no attached server saw the request.
   *
   * @param received the request as Node emitted it; `request` may be a view of it
   * @param routeName the route as the framework names it, for `guard.readiness()`
   */
  readmit(
    received: object,
    request: GuardedRequest,
    routeAllow?: CompiledRequirement,
    hasEmptyParameter?: boolean,
    routeName?: string,
  ): Verdict | Promise<Verdict> | undefined {
    return this.#requests.readmit(received, request, routeAllow, hasEmptyParameter, routeName)
  }

  /**
   * Stores a record of the adapter with the decision of the attached server; `findRecord` returns it. Returns false, and
   * stores nothing, if no attached server has decided this request.
   *
   * For frameworks that change the prototype of each request, as Express does: V8 then gives every request a hidden class
   * of its own, and adding a property to it costs about 1 µs.
   */
  keepRecord(request: object, record: unknown): boolean {
    return this.#requests.keepRecord(request, record)
  }

  /**
   * Registers a function that reports how a request listener reads paths. For frameworks whose applications can be
   * served by any server.
   */
  recognize(recognize: RecognizeListener): void {
    this.#servers.recognize(recognize)
  }

  authenticate(socket: TLSSocket): Principal | Denial {
    if (!isObject(socket)) return createDenial('guard_missing', 'found no socket, expected the socket of a connection')
    const now = Date.now()
    const { authenticator, material } = this.#parts
    return authenticator.authenticatePeer({ httpVersionMajor: 1, socket }, material.latest(now), now)
  }

  admitConnection(socket: TLSSocket): Principal | Denial {
    const request = { httpVersionMajor: 1, socket, headers: {}, rawHeaders: [] }
    this.#parts.connections.expiry.markWithoutHttp(request)
    return this.#requests.admitConnection(request, this.authenticate(socket))
  }

  /** Decides the route's own requirement after `admit`, for routers that choose the route later. */
  admitRoute(request: GuardedRequest, principal: Principal | null, requirement: CompiledRequirement): Verdict {
    return this.#requests.admitRoute(request, principal, requirement)
  }

  /**
   * Denies a request that `admit` allowed, for a reason that only the adapter can see, and reports the denial. In audit
   * mode, returns the principal instead.
   */
  deny(request: GuardedRequest, principal: Principal | null, reason: Denial['reason'], detail: string): Verdict {
    return this.#requests.objectTo(request, principal, createDenial(reason, detail))
  }

  /** Denies a request by its credential, which audit mode does not cover, and reports the denial. */
  refuse(request: GuardedRequest, principal: Principal | null, denial: Denial): Denial {
    return this.#requests.refuse(request, denial, principal?.name)
  }

  /**
   * Decides about an allowed request after the adapter has waited for the check of its token: denies it for the refusal,
   * or if its caller is no longer proven. A denial is already reported. Audit mode does not cover it.
   */
  admitToken(
    request: GuardedRequest,
    principal: Principal | null,
    refusal: TokenRefusal | undefined,
  ): Principal | Denial {
    if (principal !== null && refusal === undefined) return this.#requests.confirm(request, principal)
    const { reason, detail, challenge } = refusal ?? unproven
    return this.refuse(request, principal, createDenial(reason, detail, challenge === undefined ? {} : { challenge }))
  }

  /** Adds routes that anonymous callers can reach to the event at the start of permissive mode. */
  reportAnonymousRoutes(routes: readonly string[]): void {
    this.#parts.modes.addAnonymousRoutes(routes)
  }

  /**
   * Returns the answer to a denied request. Returns undefined if the connection's peer is no longer verified; the
   * connection is then closed without an answer.
   */
  answer(denial: Denial, request: GuardedRequest): DenialAnswer | undefined {
    if (this.#parts.connections.expiry.closeUnproved(request, denial.reason)) return undefined
    return formatAnswer(denial, this.#options.formatDenial)
  }

  /**
   * Compiles a route's requirement: a `Requirement` or a list of caller patterns.
   *
   * @throws {ConfigurationError} the message starts with `where` and states what was found and what was expected
   */
  compileRoute(allow: unknown, where: string): CompiledRequirement {
    const { localTrustDomain, callers } = this.#options
    return compileRouteRequirement(allow, { where, localTrustDomain, callers })
  }

  explain(question: ExplainQuestion): Explanation {
    return explainQuestion(question, this.#explainContext())
  }

  accessMatrix(question: MatrixQuestion = {}): AccessMatrix {
    return answerMatrix(question, this.#explainContext())
  }

  health(): Health {
    const { events, material } = this.#parts
    return events.health.read(material, Date.now())
  }

  readiness(): Readiness | undefined {
    return this.#parts.modes.readiness()
  }

  review(server: unknown): readonly Finding[] {
    const isAttached = isObject(server) && this.#servers.has(server)
    const { migrationListeners } = this.#servers
    return reviewGuard({ options: this.#options, parts: this.#parts, server, isAttached, migrationListeners })
  }

  auditReport(): AuditReport {
    return this.#parts.audit.report()
  }

  migrationListener(server: TlsServer, options: GuardMigrationOptions = {}): HttpServer {
    return this.#servers.createMigrationListener(server, options)
  }

  probeListener(options: ProbeOptions): Promise<ProbeListener> {
    return probeListener(this, options)
  }

  /** Sets the framework's logger as the log, unless `createGuard` was given `log`. */
  useDefaultLog(log: (event: CountersignEvent) => void): void {
    if (!isCallable(log)) throw new ConfigurationError('option_invalid', 'guard.useDefaultLog: expected a function')
    this.#parts.events.useDefaultLog(log)
  }

  #explainContext(): ExplainContext {
    const { authenticator, modes } = this.#parts
    return {
      options: this.#options,
      isPermissive: modes.isPermissive(Date.now()),
      challenge: (denial) => authenticator.challenge(denial),
    }
  }

  #requireMaterial(): NonNullable<ReturnType<MaterialGate['current']>> {
    const trustState = this.#parts.material.current(Date.now())
    if (trustState !== undefined) return trustState
    throw new SourceError(
      'source_expired',
      'the source has no valid certificate, and the guard cannot start without one',
    )
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

const unproven: TokenRefusal = {
  reason: 'token_unbound',
  detail: 'found an anonymous caller, expected one that is proven by a certificate',
}
