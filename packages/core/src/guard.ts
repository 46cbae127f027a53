import type { TLSSocket } from 'node:tls'
import { type DenialAnswer, formatAnswer } from './answer.ts'
import { type AttachOptions, parseAttachOptions } from './attach-options.ts'
import { Authenticator } from './authenticator.ts'
import { createBypassGate } from './bypass-gate.ts'
import { AcceptedMaterial } from './connection/accepted-material.ts'
import { attachServer } from './connection/attach-server.ts'
import { isInjectingSource } from './connection/injected-caller.ts'
import { IssuedOptions } from './connection/issued-options.ts'
import { OwnLife } from './connection/own-life.ts'
import { SourceFollower } from './connection/source-follower.ts'
import { createRefusingTlsOptions, createTlsOptions, type GuardTlsOptions } from './connection/tls-options.ts'
import { type CompiledRequirement, compileRouteRequirement } from './decision/compile-requirement.ts'
import { decide, decideRequirement } from './decision/decide.ts'
import { createDenial, type Denial } from './decision/denial.ts'
import type { Explanation } from './decision/explain.ts'
import { exactReading } from './decision/reading.ts'
import type { RuleSet } from './decision/rules.ts'
import { createTargetParser, parsePath } from './decision/target.ts'
import { ConfigurationError, SourceError } from './errors.ts'
import { EventLog } from './event-log.ts'
import type { CountersignEvent, DenialEvent, Reporter } from './events.ts'
import { explainQuestion, type ExplainQuestion } from './explain-question.ts'
import type { Health } from './health.ts'
import type { GuardedRequest, RequestWay } from './guarded-request.ts'
import { type GuardOptions, type ParsedGuardOptions, parseGuardOptions } from './guard-options.ts'
import { isCallable } from './options.ts'
import { isDenial } from './is-denial.ts'
import type { Principal } from './principal/principal.ts'
import { probeListener, type ProbeListener } from './probe-listener.ts'
import type { ProbeOptions } from './probe-options.ts'

/**
 * Ties identity and decision together: the whole way of a request stands in `admit`. Adapters call nothing else.
 */
export class Guard {
  /** The rules as they were compiled. */
  readonly rules: RuleSet
  /** False when every route decides for itself by `perRoute()`, which needs a framework that reports its routes. */
  readonly hasOwnRules: boolean
  readonly #options: ParsedGuardOptions
  readonly #events: EventLog
  readonly #report: Reporter
  readonly #material: AcceptedMaterial
  readonly #authenticator: Authenticator
  readonly #follower: SourceFollower
  readonly #parseTarget: ReturnType<typeof createTargetParser>
  readonly #attached = new WeakSet<object>()
  readonly #tlsOptions: IssuedOptions

  constructor(options: GuardOptions) {
    const parsed = parseGuardOptions(options)
    this.#options = parsed
    this.rules = parsed.rules
    this.hasOwnRules = parsed.hasOwnRules
    this.#events = new EventLog(parsed.log)
    this.#report = (event, wasAuthenticated) => this.#events.report(event, wasAuthenticated)
    this.#material = new AcceptedMaterial(parsed.source, parsed, this.#report)
    this.#tlsOptions = new IssuedOptions(parsed.minVersion, this.#material.openssl)
    this.#authenticator = new Authenticator(parsed, this.#report)
    this.#parseTarget = createTargetParser(parsed.rules.knownMethods)
    const ownLife = new OwnLife((expiring) =>
      this.#report({ type: 'source', outcome: 'expiring', at: Date.now(), ...expiring }),
    )
    this.#follower = new SourceFollower({
      source: parsed.source,
      material: this.#material,
      onChange: (accepted) => {
        this.#authenticator.connections.endUnproved(accepted)
        // What was reported meanwhile may have brought newer material.
        ownLife.watch(this.#material.current(Date.now()), Date.now())
      },
      onNotice: (notice) => this.#report({ type: 'source', ...notice }),
      onEnd: () => {
        ownLife.watch(undefined, Date.now())
        this.#events.flush()
      },
    })
    this.#requireMaterial()
  }

  /**
   * Returns the complete options for `https.createServer`, `http2.createSecureServer` or `Fastify({ https })`; add none of TLS,
   * change none. With several trust domains the server has no key, and refuses every handshake, until it is attached.
   */
  tlsOptions(): GuardTlsOptions {
    return this.#tlsOptions.create(this.#requireMaterial())
  }

  /**
   * Takes a server under guard: verifies every peer before any HTTP is spoken, ends the connections of those that
   * prove nothing, decides upgrades, and follows the source.
   *
   * @throws {ConfigurationError} `server_unsuitable` for a server on which this would not hold; `registration_invalid`
   * for one that is attached already
   */
  attach(server: unknown, options: AttachOptions = {}): void {
    const { routesUpgrade, way } = parseAttachOptions(options)
    const { minVersion, source } = this.#options
    if (isObject(server) && this.#attached.has(server)) {
      throw new ConfigurationError(
        'registration_invalid',
        'guard.attach: the server is attached already, expected once',
      )
    }
    const checked = this.#tlsOptions.check(server)
    attachServer(checked, {
      connections: this.#authenticator.connections,
      accept: (socket) => this.#authenticator.accept(socket, this.#material.current(Date.now()), Date.now()),
      refuseHandshake: (error, socket) => {
        const now = Date.now()
        this.#authenticator.reportHandshake(error, socket, this.#material.current(now), now)
      },
      refuseProtocol: (socket) => this.#authenticator.reportProtocol(socket, Date.now()),
      begin: (request, response) => this.#authenticator.begin(request, response),
      follow: (apply) =>
        this.#follower.add((accepted) => {
          apply(accepted === undefined ? createRefusingTlsOptions(minVersion) : createTlsOptions(accepted, minVersion))
        }),
      admit: createBypassGate({
        routesUpgrade,
        admit: (request) => this.admit(request, way()),
        answer: (denial, request) => this.answer(denial, request),
        keepEndable: (request) => this.#authenticator.markUpgraded(request),
      }),
      isLoopbackOnly: isInjectingSource(source),
    })
    this.#attached.add(checked)
  }

  /** Whether this guard was attached to a server. */
  isAttachedTo(server: object): boolean {
    return this.#attached.has(server)
  }

  /**
   * The way of a request: canonical target, authentication, rules, the route's own requirement; each layer only takes
   * away. Gives the principal of a request that passes, or the denial, which is reported already. Never throws, never
   * waits.
   */
  admit(request: GuardedRequest, way: RequestWay = {}): Principal | Denial {
    const { method = '', url } = request
    const now = Date.now()
    const { reading = exactReading, alsoReading, originalUrl, routeAllow } = way
    const target = this.#parseTarget(request)
    if (!target.accepted) return this.#deny(request, createDenial(target.reason, target.detail), null)
    if (originalUrl !== undefined && originalUrl !== url) {
      const original = parsePath(originalUrl)
      if (!original.accepted) return this.#deny(request, createDenial(original.reason, original.detail), null)
    }
    const principal = this.#authenticator.authenticate(request, this.#material.latest(now), now)
    if (isDenial(principal)) return this.#deny(request, principal, null)
    const facts = { principal, method, target, message: request, reading, alsoReading, routeAllow }
    const decision = decide(this.rules, facts)
    return decision.effect === 'allow' ? principal : this.#deny(request, decision, principal)
  }

  /**
   * Who is on the other end of a connection of an attached server, at this moment: for protocols other than HTTP, where
   * each message that matters should ask anew. Gives the principal, or the denial, which is not reported. Never throws.
   */
  authenticate(socket: TLSSocket): Principal | Denial {
    if (!isObject(socket)) return createDenial('guard_missing', 'found no socket, expected that of a connection')
    const now = Date.now()
    return this.#authenticator.authenticate({ httpVersionMajor: 1, socket }, this.#material.latest(now), now)
  }

  /**
   * The way of a connection that carries no HTTP: authentication, then the rules for the path `/` and no method. Gives
   * the principal, or the denial, which is reported already. Never throws, never waits.
   */
  admitConnection(socket: TLSSocket): Principal | Denial {
    const request = { httpVersionMajor: 1, socket, headers: {}, rawHeaders: [] }
    const principal = this.authenticate(socket)
    if (isDenial(principal)) return this.#deny(request, principal, null)
    const target = parsePath('/')
    if (!target.accepted) return this.#deny(request, createDenial(target.reason, target.detail), principal)
    const decision = decide(this.rules, { principal, method: '', target, message: request, reading: exactReading })
    return decision.effect === 'allow' ? principal : this.#deny(request, decision, principal)
  }

  /** What `admit` left open for routers that choose the route later: the route's own requirement. */
  admitRoute(request: GuardedRequest, principal: Principal, requirement: CompiledRequirement): Principal | Denial {
    const { method = '', url = '' } = request
    const target = parsePath(url)
    if (!target.accepted) return this.#deny(request, createDenial(target.reason, target.detail), principal)
    const decision = decideRequirement(requirement, { principal, method, target, message: request })
    return decision.effect === 'allow' ? principal : this.#deny(request, decision, principal)
  }

  /** Denies a request for a reason that only the adapter can see, and reports it. */
  deny(request: GuardedRequest, principal: Principal, reason: Denial['reason'], detail: string): Denial {
    return this.#deny(request, createDenial(reason, detail), principal)
  }

  /** What to answer to a denied request, or undefined when its connection proves nothing (any more) and was ended without a word. */
  answer(denial: Denial, request: GuardedRequest): DenialAnswer | undefined {
    if (this.#authenticator.silence(request, denial)) return undefined
    return formatAnswer(denial, this.#options.formatDenial)
  }

  /**
   * Reads what a route demands: a requirement or a list of caller patterns.
   *
   * @throws {ConfigurationError} with `where`, what was found and what was expected
   */
  compileRoute(allow: unknown, where: string): CompiledRequirement {
    const { localTrustDomain, callers } = this.#options
    return compileRouteRequirement(allow, { where, localTrustDomain, callers })
  }

  /** Decides a request that need not exist, and tells why, layer by layer. */
  explain(question: ExplainQuestion): Explanation {
    return explainQuestion(question, this.#options)
  }

  /** How this service stands with its own certificate, for a health route or `probeListener`. */
  health(): Health {
    return this.#events.health.read(this.#material, Date.now())
  }

  /**
   * Answers health probes on a port of their own, for a kubelet that has no certificate: these paths and nothing else.
   *
   * @throws {ConfigurationError} `option_invalid` or `option_unknown` for an option that cannot be meant, also for a
   * port that cannot be listened on
   * @example
   * await guard.probeListener({ port: 8081, paths: { '/livez': 'live', '/readyz': 'ready' } })
   */
  probeListener(options: ProbeOptions): Promise<ProbeListener> {
    return probeListener(this, options)
  }

  /** The log of the framework, used unless `log` was given to `createGuard`. */
  useDefaultLog(log: (event: CountersignEvent) => void): void {
    if (!isCallable(log)) throw new ConfigurationError('option_invalid', 'guard.useDefaultLog: expected a function')
    this.#events.useDefaultLog(log)
  }

  #requireMaterial(): NonNullable<ReturnType<AcceptedMaterial['current']>> {
    const accepted = this.#material.current(Date.now())
    if (accepted !== undefined) return accepted
    throw new SourceError(
      'source_expired',
      'the source has no certificate that is valid now, expected one to start with',
    )
  }

  #deny(request: GuardedRequest, denial: Denial, principal: Principal | null): Denial {
    const { method = '', url = '' } = request
    const { effect: _, ...why } = denial
    const connection = this.#authenticator.connections.find(request)
    const { remoteAddress } = connection?.socket ?? {}
    const event: DenialEvent = {
      type: 'denial',
      at: Date.now(),
      ...why,
      method: method.slice(0, 32),
      path: (url.split('?', 1)[0] ?? '').slice(0, 256),
      ...(principal !== null && { principal: principal.name }),
      ...(remoteAddress !== undefined && { remoteAddress }),
    }
    this.#report(event, connection?.verdict.ok)
    return denial
  }
}

/**
 * Creates the object that ties a source of X.509 material to rules. Everything that cannot be what its author meant is
 * refused here, at start.
 *
 * @throws {ConfigurationError} naming option, value and remedy
 * @throws {SourceError} when the source has no valid SVID
 * @example
 * const guard = createGuard({ source, rules: [
 *   { path: '/internal/billing/**', allow: hasAuthority('SERVICE_core-api') },
 *   { path: '/internal/**', allow: authenticated() },
 * ] })
 */
export function createGuard(options: GuardOptions): Guard {
  return new Guard(options)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
